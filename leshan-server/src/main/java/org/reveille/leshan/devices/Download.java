package org.reveille.leshan.devices;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscribers;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.reveille.leshan.LimitedBody;

/**
 * The result of a firmware download. Devices download over HTTP from this machine only: they are made for tests, and a
 * server's value of 5/0/1 must not lead them to other hosts.
 *
 * @param bytes the package, or null
 * @param result 0, or the reason of the failure as a value of resource 5/0/5
 */
record Download(byte[] bytes, long result) {
    static final long TOO_LARGE = 2;
    static final long CONNECTION_LOST = 4;
    static final long INVALID_URI = 7;
    static final long UNSUPPORTED_PROTOCOL = 9;
    private static final Set<String> HERE = Set.of("127.0.0.1", "localhost", "[::1]");
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** Begins a download, which may take a minute; the future always completes with a value. */
    static CompletableFuture<Download> begin(String uri, int limit) {
        return begin(uri, limit, PATIENCE);
    }

    static CompletableFuture<Download> begin(String uri, int limit, Duration patience) {
        URI parsed;
        try {
            parsed = new URI(uri);
        } catch (URISyntaxException e) {
            return failed(INVALID_URI);
        }
        if (parsed.getScheme() == null || parsed.getHost() == null) {
            return failed(INVALID_URI);
        }
        if (!"http".equalsIgnoreCase(parsed.getScheme())) {
            return failed(UNSUPPORTED_PROTOCOL);
        }
        return HERE.contains(parsed.getHost()) ? fetch(parsed, limit, patience) : failed(INVALID_URI);
    }

    /**
     * Downloads a package. The deadline is for all of it, as the timeout of an {@link HttpRequest} ends with the
     * response's head.
     */
    private static CompletableFuture<Download> fetch(URI uri, int limit, Duration patience) {
        CompletableFuture<HttpResponse<byte[]>> exchange =
                Http.CLIENT.sendAsync(HttpRequest.newBuilder(uri).build(), upTo(limit));
        CompletableFuture<HttpResponse<byte[]>> inTime =
                exchange.copy().orTimeout(patience.toMillis(), TimeUnit.MILLISECONDS);
        return inTime.handle((answer, error) -> {
            if (error != null) {
                LimitedBody.abort(exchange);
                return new Download(null, CONNECTION_LOST);
            }
            if (answer.statusCode() != 200) {
                return new Download(null, INVALID_URI);
            }
            byte[] bytes = answer.body();
            return bytes == null || bytes.length > limit ? new Download(null, TOO_LARGE) : new Download(bytes, 0);
        });
    }

    /**
     * Returns a handler that reads no body if its announced length exceeds the limit, and otherwise at most one byte
     * more than the limit.
     */
    private static BodyHandler<byte[]> upTo(int limit) {
        BodyHandler<byte[]> body = LimitedBody.upTo(Math.min(limit, Integer.MAX_VALUE - 1) + 1);
        return head -> head.headers().firstValueAsLong("Content-Length").orElse(0) > limit
                ? BodySubscribers.replacing(null) : body.apply(head);
    }

    private static CompletableFuture<Download> failed(long result) {
        return CompletableFuture.completedFuture(new Download(null, result));
    }

    /** Created when the first device downloads. */
    private static final class Http {
        static final HttpClient CLIENT = HttpClient.newHttpClient();
    }
}
