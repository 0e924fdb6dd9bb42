package org.reveille.leshan.server;

import io.javalin.http.Context;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.eclipse.jetty.server.Request;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;

/** Splits a request's path into its segments, without the empty ones. */
final class Paths {
    private static final int HEX = 16;

    private Paths() {
    }

    /**
     * Returns the segments as the stock server does: decoded before the split and canonical: `;x=1` is removed and `..`
     * climbs.
     */
    static List<String> canonical(Context context) {
        return segments(context.req().getPathInfo()).toList();
    }

    /** Returns the same as {@link #canonical(Context)}. */
    static List<String> canonical(Request request) {
        return segments(request.getHttpURI().getDecodedPath()).toList();
    }

    /**
     * Returns the segments of the raw path, decoded after the split: every endpoint name is one segment, also one with
     * `/`, `%`, `;` or `..`.
     *
     * @throws InvalidRequestException if a segment is not percent-encoded UTF-8
     */
    static List<String> asSent(Context context) {
        return asSent(context.req().getRequestURI());
    }

    /** Returns the same as {@link #asSent(Context)}. */
    static List<String> asSent(Request request) {
        return asSent(request.getHttpURI().getPath());
    }

    private static List<String> asSent(String path) {
        return segments(path).map(Paths::decode).toList();
    }

    static String decode(String segment) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(segment.length());
        byte[] encoded = segment.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < encoded.length; i++) {
            bytes.write(encoded[i] == '%' ? (digit(encoded, ++i) * HEX + digit(encoded, ++i)) : encoded[i]);
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes.toByteArray())).toString();
        } catch (CharacterCodingException e) {
            throw new InvalidRequestException("path is not UTF-8: %s", segment);
        }
    }

    private static int digit(byte[] encoded, int index) {
        int digit = index < encoded.length ? Character.digit(encoded[index], HEX) : -1;
        if (digit < 0) {
            throw new InvalidRequestException("path is not percent-encoded: %s",
                    new String(encoded, StandardCharsets.UTF_8));
        }
        return digit;
    }

    private static Stream<String> segments(String path) {
        return path == null ? Stream.empty() : Stream.of(path.split("/")).filter(part -> !part.isEmpty());
    }
}
