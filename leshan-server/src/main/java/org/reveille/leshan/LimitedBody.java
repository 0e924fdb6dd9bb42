package org.reveille.leshan;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Reads the first bytes of an HTTP response's body. At the limit the response counts as complete, and the connection is
 * closed without reading the rest.
 *
 * <p>It does not limit the time: the timeout of a {@link java.net.http.HttpRequest} ends with the response's head, so
 * the caller of each exchange must set a deadline.
 */
public final class LimitedBody implements BodySubscriber<byte[]> {
    private final int limit;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CompletableFuture<byte[]> body = new CompletableFuture<>();
    private Flow.Subscription subscription;

    private LimitedBody(int limit) {
        this.limit = limit;
    }

    /** Returns a handler that reads at most {@code limit} bytes. */
    public static BodyHandler<byte[]> upTo(int limit) {
        return head -> new LimitedBody(limit);
    }

    /**
     * Sends a request and waits for the whole response: name lookup, connection, handshake, and at most {@code limit}
     * bytes of the body have one deadline. The connection of a failed exchange is closed.
     *
     * @throws TimeoutException if the response was not complete in time
     * @throws ExecutionException with the client's exception
     */
    public static HttpResponse<byte[]> exchange(HttpClient http, HttpRequest request, int limit, Duration deadline)
            throws InterruptedException, ExecutionException, TimeoutException {
        CompletableFuture<HttpResponse<byte[]>> exchange = http.sendAsync(request, upTo(limit));
        boolean isComplete = false;
        try {
            HttpResponse<byte[]> response = exchange.get(deadline.toMillis(), TimeUnit.MILLISECONDS);
            isComplete = true;
            return response;
        } finally {
            if (!isComplete) {
                abort(exchange);
            }
        }
    }

    /**
     * Closes the connection of an exchange that has failed or must not continue.
     *
     * <p>Java's client (17 to 25) leaves it open forever if the response is not HTTP, or its head is too large, and
     * canceling a future that is done has no effect. Canceling one that is derived from it does: see
     * {@link java.net.http.HttpClient#sendAsync}.
     */
    public static void abort(CompletableFuture<?> exchange) {
        exchange.newIncompleteFuture().cancel(true);
    }

    @Override
    public CompletionStage<byte[]> getBody() {
        return body;
    }

    @Override
    public void onSubscribe(Flow.Subscription granted) {
        subscription = granted;
        subscription.request(1);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        for (ByteBuffer buffer : buffers) {
            byte[] part = new byte[Math.min(buffer.remaining(), limit - bytes.size())];
            buffer.get(part);
            bytes.writeBytes(part);
        }
        if (bytes.size() < limit) {
            subscription.request(1);
        } else {
            subscription.cancel();
            body.complete(bytes.toByteArray());
        }
    }

    @Override
    public void onError(Throwable broken) {
        body.completeExceptionally(broken);
    }

    @Override
    public void onComplete() {
        body.complete(bytes.toByteArray());
    }
}
