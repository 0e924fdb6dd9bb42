package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.javalin.http.Context;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.reveille.leshan.json.Json;

/**
 * One HTTP request below `/api/clients/{endpoint}`.
 *
 * <p>The path is the servlet container's decoded and canonical one, as in the stock server: `;x=1` is cut off and `..`
 * climbs (recorded, both).
 */
final class HttpCall {
    private static final int DEFAULT_TIMEOUT_S = 5;

    private final Context context;
    private final List<String> parts;

    /** @param parts the path below `/api/clients`, the endpoint name first */
    HttpCall(Context context, List<String> parts) {
        this.context = context;
        this.parts = parts;
    }

    /** The parts of a request's path which are not empty. */
    static List<String> split(Context context) {
        String path = context.req().getPathInfo();
        return path == null ? List.of() : Stream.of(path.split("/")).filter(part -> !part.isEmpty()).toList();
    }

    String endpoint() {
        return parts.get(0);
    }

    int size() {
        return parts.size();
    }

    String last() {
        return parts.get(parts.size() - 1);
    }

    boolean isComposite() {
        return parts.size() > 1 && "composite".equals(parts.get(1));
    }

    /** The LwM2M path as it was asked for, without the last {@code drop} parts. */
    String target(int drop) {
        return "/" + String.join("/", parts.subList(1, parts.size() - drop));
    }

    /** Milliseconds; what is no whole number of seconds counts as 5 s, what is negative as none at all (recorded). */
    long timeoutMillis() {
        try {
            return Math.max(0, Long.parseLong(context.queryParam("timeout"))) * 1000;
        } catch (NumberFormatException e) {
            return DEFAULT_TIMEOUT_S * 1000L;
        }
    }

    /** A content format by its name; null when the parameter is missing or names none, so that Leshan chooses. */
    ContentFormat format(String parameter) {
        String name = context.queryParam(parameter);
        return name == null ? null : ContentFormat.fromName(name.toUpperCase(Locale.ROOT));
    }

    boolean replace() {
        String replace = context.queryParam("replace");
        return replace == null || Boolean.parseBoolean(replace);
    }

    boolean active() {
        return context.queryParam("active") != null;
    }

    String query() {
        return context.queryString();
    }

    /** The paths of a composite operation. The parameter's name below is part of the stock server's recorded answer. */
    List<String> paths() {
        String pathParam = context.queryParam("paths");
        return List.of(pathParam.split(","));
    }

    String body() {
        return context.body();
    }

    /** Arguments of an execute. Without a Content-Length the stock server drops them, and executes all the same. */
    String arguments() {
        return context.req().getContentLength() > 0 ? context.body() : null;
    }

    /** The media type of the body without parameters, or null. */
    String mediaType() {
        String type = context.contentType();
        return type == null ? null : type.split(";")[0].trim();
    }

    JsonNode json() {
        try {
            return Json.read(context.body());
        } catch (JsonProcessingException e) {
            throw new InvalidRequestException(e, "unable to parse json to tlv:%s", e.getMessage());
        }
    }
}
