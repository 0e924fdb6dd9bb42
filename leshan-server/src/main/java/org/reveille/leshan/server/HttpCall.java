package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.Fields;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.reveille.leshan.json.NodeReader;

/** One HTTP request below `/api/clients/{endpoint}`. */
final class HttpCall {
    private static final int DEFAULT_TIMEOUT_S = 5;
    /** CoAP gives up long before, and the number in milliseconds does not overflow. */
    private static final long LONGEST_TIMEOUT_S = TimeUnit.DAYS.toSeconds(1);
    private static final String ID_HEADER = "Reveille-Request";

    private final Request request;
    private final List<String> parts;
    private final ApiDialect dialect;
    private Fields query;

    /**
     * Creates a call from an HTTP request.
     *
     * @param request with its whole body, see {@link BodyReader}
     * @param parts the path below `/api/clients`, the endpoint name first
     * @param dialect how path, query and body are read
     */
    HttpCall(Request request, List<String> parts, ApiDialect dialect) {
        this.request = request;
        this.parts = parts;
        this.dialect = dialect;
    }

    /**
     * Returns the id under which the call's request is sent at most once, or null.
     *
     * @throws InvalidRequestException if the id is malformed
     */
    String id() {
        String id = request.getHeaders().get(ID_HEADER);
        if (id != null && !RequestLog.isId(id)) {
            throw new InvalidRequestException("%s must be {operation}/{attempt}", ID_HEADER);
        }
        return id;
    }

    /**
     * Returns the digest that distinguishes this request from another one with the same id: of the method, the target
     * and the body as received.
     */
    String digest() {
        String target = request.getHttpURI().getPath() + (query() == null ? "" : "?" + query());
        MessageDigest digest = sha256();
        digest.update((request.getMethod() + " " + target + "\n").getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest.digest(BodyReader.of(request)));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /** Returns whether the CoAP request must be sent only once. */
    boolean withoutRetransmission() {
        return "0".equals(parameter("retransmit"));
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

    /** Returns the LwM2M path as requested, without the last {@code drop} parts. */
    String target(int drop) {
        return "/" + String.join("/", parts.subList(1, parts.size() - drop));
    }

    /**
     * Returns the timeout in milliseconds; a value that is not a whole number of seconds counts as 5 s, a negative one
     * as 0 (recorded).
     */
    long timeoutMillis() {
        try {
            long seconds = Long.parseLong(parameter("timeout"));
            return Math.min(Math.max(0, seconds), LONGEST_TIMEOUT_S) * 1000;
        } catch (NumberFormatException e) {
            return DEFAULT_TIMEOUT_S * 1000L;
        }
    }

    /** Returns the same as {@link #format(String)}, or a default if it is null. */
    ContentFormat format(String parameter, ContentFormat otherwise) {
        ContentFormat format = format(parameter);
        return format == null ? otherwise : format;
    }

    /** Returns a content format by its name; null if the parameter is missing or unknown, so that Leshan chooses. */
    ContentFormat format(String parameter) {
        String name = parameter(parameter);
        return name == null ? null : ContentFormat.fromName(name.toUpperCase(Locale.ROOT));
    }

    boolean replace() {
        String replace = parameter("replace");
        return replace == null || Boolean.parseBoolean(replace);
    }

    boolean active() {
        return parameter("active") != null;
    }

    private String parameter(String name) {
        if (query == null) {
            query = Queries.of(request);
        }
        return query.getValue(name);
    }

    String query() {
        return request.getHttpURI().getQuery();
    }

    /** Returns the paths of a composite operation. */
    List<String> paths() {
        return dialect.paths(parameter("paths"));
    }

    /** Returns the body as text. */
    String body() {
        return new String(BodyReader.of(request), charset());
    }

    private Charset charset() {
        try {
            Charset charset = Request.getCharset(request);
            return charset == null ? StandardCharsets.UTF_8 : charset;
        } catch (IllegalArgumentException unknown) {
            throw new InvalidRequestException("unknown charset in Content-Type");
        }
    }

    /** Returns the arguments of an execute, or null for none. */
    String arguments() {
        String body = dialect.hasArguments(request) ? body() : "";
        return body.isEmpty() ? null : body;
    }

    /** Returns the media type of the body without parameters, or null. */
    String mediaType() {
        String type = request.getHeaders().get(HttpHeader.CONTENT_TYPE);
        return type == null ? null : type.split(";")[0].trim();
    }

    /** Returns the node in the body. */
    LwM2mNode node() {
        return node(json());
    }

    /** Returns the nodes of a composite write by their paths. */
    Map<LwM2mPath, LwM2mNode> nodes() {
        JsonNode json = json();
        dialect.validateNodes(json);
        Map<LwM2mPath, LwM2mNode> nodes = new HashMap<>();
        json.fields().forEachRemaining(
                entry -> nodes.put(new LwM2mPath(entry.getKey()), node(entry.getValue())));
        return nodes;
    }

    private LwM2mNode node(JsonNode json) {
        dialect.validateNode(json);
        return NodeReader.read(json);
    }

    private JsonNode json() {
        try {
            return dialect.parse(body());
        } catch (JsonProcessingException e) {
            throw new InvalidRequestException(e, "unable to parse json to tlv:%s", e.getMessage());
        }
    }
}
