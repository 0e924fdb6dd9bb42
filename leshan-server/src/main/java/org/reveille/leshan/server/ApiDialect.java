package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.javalin.http.Context;
import java.util.List;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.Request;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Defines how the REST API reads requests and forms answers: as the stock demo server does, or strictly and with
 * extensions. Stateless; each {@link ServerMode} has one.
 */
interface ApiDialect {
    ApiDialect STOCK = new StockDialect();
    ApiDialect PRODUCTION = new ProductionDialect();

    /** Returns which paths the web server accepts. */
    UriCompliance uriCompliance();

    /**
     * Returns the segments of a request's path, without the empty ones.
     *
     * @throws InvalidRequestException if the path cannot be decoded
     */
    List<String> segments(Request request);

    /** Returns the same as {@link #segments(Request)}. */
    List<String> segments(Context context);

    /**
     * Returns the paths of a composite operation.
     *
     * @param pathParam the query parameter `paths`, or null if it is missing
     */
    List<String> paths(String pathParam);

    /** Returns whether the body of an execute is its arguments; otherwise it is ignored. */
    boolean hasArguments(Request request);

    /** Parses the body of a write or create. */
    JsonNode parse(String body) throws JsonProcessingException;

    /**
     * Validates a node before it is read.
     *
     * @throws IllegalArgumentException if it is invalid
     */
    void validateNode(JsonNode json);

    /**
     * Validates the nodes of a composite write, without each node itself.
     *
     * @throws InvalidRequestException if they are not the members of an object, or there are none
     */
    void validateNodes(JsonNode json);

    /** Returns the format of a write or create whose call specifies none; null for Leshan's default, which is TLV. */
    ContentFormat writeFormat(Registration client, LwM2mNode node);

    /** Returns the format of a composite operation whose call specifies none, or null for none. */
    ContentFormat compositeFormat(Registration client);

    /** Returns the answer to a call from which no LwM2M request could be created. */
    HttpAnswer invalidCall(RuntimeException error);

    /**
     * Returns an answer in a form that its caller accepts.
     *
     * @param accept the header `Accept`, or null
     */
    HttpAnswer negotiate(HttpAnswer answer, String accept);

    /** Returns the answer to a request for events that does not accept an event stream. */
    HttpAnswer eventStreamRequired();

    /** Returns the answer to `/api/clients`. */
    HttpAnswer clients(ClientsApi clients, Context context);

    /** Returns the answer to `/api/objectspecs`. */
    HttpAnswer objectSpecs(ObjectSpecsApi specs, Context context);

    /** Returns an answer, or 304 if the caller has it already; may add the header `ETag`. */
    HttpAnswer revalidate(HttpAnswer answer, Context context);
}
