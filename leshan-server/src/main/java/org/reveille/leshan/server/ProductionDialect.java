package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.javalin.http.Context;
import java.util.List;
import java.util.Set;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.server.Request;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeValidator;
import org.reveille.leshan.server.Failure.Code;

/**
 * The REST API of production mode: every endpoint name is one path segment, invalid bodies are refused, requests have
 * the formats that their clients registered, and failures are JSON for callers that accept it.
 */
final class ProductionDialect implements ApiDialect {
    private static final HttpAnswer NO_STREAM = HttpAnswer.refusal(Code.METHOD_NOT_ALLOWED,
            "Method not allowed: events are a stream, request it with Accept: text/event-stream");
    private static final List<ContentFormat> WRITE_FORMATS = List.of(
            ContentFormat.TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.JSON);

    @Override
    public UriCompliance uriCompliance() {
        return UriCompliance.UNSAFE;
    }

    @Override
    public List<String> segments(Request request) {
        return Paths.asSent(request);
    }

    @Override
    public List<String> segments(Context context) {
        return Paths.asSent(context);
    }

    @Override
    public List<String> paths(String pathParam) {
        if (pathParam == null) {
            throw new InvalidRequestException("paths is missing");
        }
        return List.of(pathParam.split(","));
    }

    @Override
    public boolean hasArguments(Request request) {
        return true;
    }

    @Override
    public JsonNode parse(String body) throws JsonProcessingException {
        return Json.readStrictly(body);
    }

    @Override
    public void validateNode(JsonNode json) {
        NodeValidator.check(json);
    }

    @Override
    public void validateNodes(JsonNode json) {
        if (!json.isObject() || json.isEmpty()) {
            throw new InvalidRequestException("a JSON object with a node for each path is expected");
        }
    }

    /** Returns the first format for writes that the client's root link lists (`ct`). */
    @Override
    public ContentFormat writeFormat(Registration client, LwM2mNode node) {
        Set<ContentFormat> supported = client.getSupportedContentFormats();
        if (supported == null || node instanceof LwM2mObjectInstance instance && requiresTlv(instance)) {
            return null;
        }
        return WRITE_FORMATS.stream().filter(supported::contains).findFirst().orElse(null);
    }

    /**
     * Returns whether only TLV can represent an instance. The other formats have the instance's id and resource only in
     * records, each with a value.
     */
    private static boolean requiresTlv(LwM2mObjectInstance instance) {
        return instance.getId() == LwM2mObjectInstance.UNDEFINED || instance.getResources().isEmpty()
                || instance.getResources().values().stream()
                        .anyMatch(each -> each.isMultiInstances() && each.getInstances().isEmpty());
    }

    /** Returns SenML JSON, or SenML CBOR if the client supports only that one. There are no others for composites. */
    @Override
    public ContentFormat compositeFormat(Registration client) {
        Set<ContentFormat> supported = client.getSupportedContentFormats();
        boolean onlyCbor = supported != null && supported.contains(ContentFormat.SENML_CBOR)
                && !supported.contains(ContentFormat.SENML_JSON);
        return onlyCbor ? ContentFormat.SENML_CBOR : ContentFormat.SENML_JSON;
    }

    @Override
    public HttpAnswer invalidCall(RuntimeException error) {
        return Failures.ofRequest(error);
    }

    @Override
    public HttpAnswer negotiate(HttpAnswer answer, String accept) {
        return accept != null && accept.contains("application/json") ? answer.asJson() : answer;
    }

    @Override
    public HttpAnswer eventStreamRequired() {
        return NO_STREAM;
    }

    @Override
    public HttpAnswer clients(ClientsApi clients, Context context) {
        return clients.all(context);
    }

    @Override
    public HttpAnswer objectSpecs(ObjectSpecsApi specs, Context context) {
        return specs.known(context);
    }

    @Override
    public HttpAnswer revalidate(HttpAnswer answer, Context context) {
        if (answer.failure() != null) {
            return answer;
        }
        String tag = ObjectSpecsApi.tag(answer);
        context.header("ETag", tag);
        return tag.equals(context.header("If-None-Match")) ? HttpAnswer.withoutBody(304) : answer;
    }
}
