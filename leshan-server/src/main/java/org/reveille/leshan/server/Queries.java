package org.reveille.leshan.server;

import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.Fields;
import org.eclipse.jetty.util.UrlEncoded;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;

/** Parses the query of a request. */
final class Queries {
    private Queries() {
    }

    /**
     * Returns the parameters of a request, decoded.
     *
     * @throws InvalidRequestException if the query is not percent-encoded UTF-8
     */
    static Fields of(Request request) {
        String query = request.getHttpURI().getQuery();
        Fields fields = new Fields();
        try {
            if (query != null) {
                UrlEncoded.decodeTo(query, fields::add, StandardCharsets.UTF_8);
            }
        } catch (RuntimeException undecodable) {
            throw new InvalidRequestException(undecodable, "query is not percent-encoded UTF-8");
        }
        return fields;
    }
}
