package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.Connection;
import java.sql.SQLException;

/** Receives every result of a request that has an id. */
@FunctionalInterface
interface RequestResults {
    /**
     * Stores the data of a REQUEST_RESPONSE event in the transaction that stores the result, on the store's thread.
     *
     * @throws SQLException if the data cannot be stored: then the result is not stored either
     */
    void publish(Connection connection, String endpoint, ObjectNode data) throws SQLException;
}
