package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.RoutesConfig;
import java.io.IOException;
import org.eclipse.leshan.server.LeshanServer;

/**
 * The parts of a server that its mode determines: the LwM2M server with its listeners, how calls are sent, and which
 * state survives a restart. {@link ServerProgram} chooses one at the start.
 */
interface ServerMode extends AutoCloseable {
    ApiDialect dialect();

    /** Returns the LwM2M server with all of its listeners; the caller starts it. */
    LeshanServer server();

    EventStreams streams();

    RequestSender sender();

    /** Returns the filter that every call passes. */
    CallHandler.Filter filter();

    /** Adds the handlers that only this mode has, behind that of calls. */
    void addTo(CallHandler calls);

    /** Adds the routes that only this mode has. */
    void addTo(RoutesConfig routes);

    /** Returns the answer of `/api/server/info`. */
    ObjectNode info();

    /**
     * Restores the registrations of the last process; must be called before the LwM2M server starts.
     *
     * @throws IOException if they cannot be read
     */
    void restore() throws IOException;

    /** Handles the deletion of an endpoint's credentials. */
    void credentialsDeleted(String endpoint);

    /** Refuses further calls, and waits a limited time for the open ones. */
    void drain() throws InterruptedException;

    /** Stops the LwM2M server and everything else of this mode; must be called after the web server has stopped. */
    @Override
    void close() throws Exception;
}
