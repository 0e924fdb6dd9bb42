package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.Connection;
import java.sql.SQLException;

/** Who is told of every result of a request that has an id. */
@FunctionalInterface
interface RequestResults {
    /**
     * Takes the data of a REQUEST_RESPONSE event in the very transaction that keeps the result, on the store's thread.
     *
     * @throws SQLException when it cannot be kept: then the result is not kept either
     */
    void told(Connection connection, String endpoint, ObjectNode data) throws SQLException;
}
