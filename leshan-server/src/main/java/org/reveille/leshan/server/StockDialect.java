package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.javalin.http.Context;
import java.util.List;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http.UriCompliance.Violation;
import org.eclipse.jetty.server.Request;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.json.Json;

/** The REST API exactly as it was recorded from the stock demo server 2.0.0-M18, errors included. */
final class StockDialect implements ApiDialect {
    /** The stock server's web container refuses an encoded slash or percent sign in a path with a 400. */
    private static final UriCompliance PATHS = UriCompliance.UNSAFE.without("STOCK",
            Violation.AMBIGUOUS_PATH_SEGMENT, Violation.AMBIGUOUS_EMPTY_SEGMENT, Violation.AMBIGUOUS_PATH_SEPARATOR,
            Violation.AMBIGUOUS_PATH_PARAMETER, Violation.AMBIGUOUS_PATH_ENCODING, Violation.UTF16_ENCODINGS,
            Violation.USER_INFO);

    @Override
    public UriCompliance uriCompliance() {
        return PATHS;
    }

    @Override
    public List<String> segments(Request request) {
        return Paths.canonical(request);
    }

    @Override
    public List<String> segments(Context context) {
        return Paths.canonical(context);
    }

    /** Returns the paths. The parameter's name is part of the stock server's recorded answer to a missing one. */
    @Override
    public List<String> paths(String pathParam) {
        return List.of(pathParam.split(","));
    }

    /** Returns false without a Content-Length: the stock server drops the arguments then, and still executes. */
    @Override
    public boolean hasArguments(Request request) {
        return request.getLength() > 0;
    }

    @Override
    public JsonNode parse(String body) throws JsonProcessingException {
        return Json.read(body);
    }

    @Override
    public void validateNode(JsonNode json) {
        // The stock server refuses only JSON that it cannot read.
    }

    @Override
    public void validateNodes(JsonNode json) {
        // The stock server refuses only JSON that it cannot read.
    }

    /** Returns TLV, whatever formats the client registered. */
    @Override
    public ContentFormat writeFormat(Registration client, LwM2mNode node) {
        return null;
    }

    @Override
    public ContentFormat compositeFormat(Registration client) {
        return null;
    }

    @Override
    public HttpAnswer invalidCall(RuntimeException error) {
        return Failures.answer(error);
    }

    @Override
    public HttpAnswer negotiate(HttpAnswer answer, String accept) {
        return answer;
    }

    @Override
    public HttpAnswer eventStreamRequired() {
        return HttpAnswer.withoutBody(405);
    }

    @Override
    public HttpAnswer clients(ClientsApi clients, Context context) {
        return clients.all();
    }

    @Override
    public HttpAnswer objectSpecs(ObjectSpecsApi specs, Context context) {
        return HttpAnswer.NOT_FOUND;
    }

    @Override
    public HttpAnswer revalidate(HttpAnswer answer, Context context) {
        return answer;
    }
}
