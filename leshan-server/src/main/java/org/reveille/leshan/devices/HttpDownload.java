package org.reveille.leshan.devices;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import org.reveille.leshan.LimitedBody;

/**
 * One download over HTTP. After an interruption it requests the rest (RFC 9110, 14.2), on the condition that the package
 * is still the same one.
 */
final class HttpDownload {
    private static final long PAUSE_MS = 200;
    private static final int OK = 200;
    private static final int PARTIAL_CONTENT = 206;

    private final URI uri;
    private final Download.Plan plan;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private String entityTag;
    private int resumes;
    private boolean interrupts;
    private final long begun = System.nanoTime();
    private volatile CompletableFuture<?> exchange;
    private volatile boolean ended;

    HttpDownload(URI uri, Download.Plan plan) {
        this.uri = uri;
        this.plan = plan;
        this.resumes = plan.resumes();
        this.interrupts = plan.interrupted();
    }

    /**
     * Begins the download. The deadline is for all of it, as the timeout of an {@link HttpRequest} ends with the
     * response's head.
     */
    CompletableFuture<Download> begin() {
        CompletableFuture<Download> inTime =
                request().orTimeout(plan.millis() + plan.patience().toMillis(), TimeUnit.MILLISECONDS);
        return inTime.exceptionally(late -> {
            ended = true;
            LimitedBody.abort(exchange);
            return new Download(null, Download.CONNECTION_LOST);
        });
    }

    private CompletableFuture<Download> request() {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri);
        if (bytes.size() > 0) {
            request.header("Range", "bytes=" + bytes.size() + "-");
            if (entityTag != null) {
                request.header("If-Range", entityTag);
            }
        }
        CompletableFuture<HttpResponse<Long>> sent = Http.CLIENT.sendAsync(request.build(), this::body);
        exchange = sent;
        return sent.handle((answer, error) -> {
            if (error == null) {
                return CompletableFuture.completedFuture(complete(answer.body()));
            }
            LimitedBody.abort(sent);
            return resume();
        }).thenCompose(next -> next);
    }

    private Download complete(long problem) {
        return problem == 0 ? new Download(bytes.toByteArray(), 0) : new Download(null, problem);
    }

    private CompletableFuture<Download> resume() {
        if (resumes == 0 || ended) {
            return CompletableFuture.completedFuture(new Download(null, Download.CONNECTION_LOST));
        }
        resumes--;
        plan.resumed().run();
        return CompletableFuture.supplyAsync(this::request, after(PAUSE_MS)).thenCompose(next -> next);
    }

    /** Returns the subscriber of a body; its value is 0, or the reason of a failure as a value of resource 5/0/5. */
    private BodySubscriber<Long> body(HttpResponse.ResponseInfo head) {
        if (head.statusCode() == OK) {
            bytes.reset();
        } else if (head.statusCode() != PARTIAL_CONTENT || !continues(head)) {
            return BodySubscribers.replacing(Download.INVALID_URI);
        }
        entityTag = head.headers().firstValue("ETag").filter(tag -> !tag.startsWith("W/")).orElse(null);
        long length = head.headers().firstValueAsLong("Content-Length").orElse(0);
        if (bytes.size() + length > plan.limit()) {
            return BodySubscribers.replacing(Download.TOO_LARGE);
        }
        int end = interrupts ? (int) Math.max(1, length / 2) : Math.min(plan.limit(), Integer.MAX_VALUE - 1) + 1;
        Appender appender = new Appender(end, bytes.size() + length, interrupts);
        interrupts = false;
        return appender;
    }

    private boolean continues(HttpResponse.ResponseInfo head) {
        return head.headers().firstValue("Content-Range").orElse("").startsWith("bytes " + bytes.size() + "-");
    }

    private static Executor after(long millis) {
        return CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS);
    }

    /**
     * Appends a body up to an end, at which the connection breaks or the package is too large. After each part it reads
     * nothing for that part's share of the time.
     */
    private final class Appender implements BodySubscriber<Long> {
        private final int end;
        private final long total;
        private final boolean breaks;
        private final CompletableFuture<Long> body = new CompletableFuture<>();
        private Flow.Subscription subscription;

        private Appender(int end, long total, boolean breaks) {
            this.end = end;
            this.total = total;
            this.breaks = breaks;
        }

        @Override
        public CompletionStage<Long> getBody() {
            return body;
        }

        @Override
        public void onSubscribe(Flow.Subscription granted) {
            subscription = granted;
            subscription.request(1);
        }

        @Override
        public void onNext(List<ByteBuffer> buffers) {
            int before = bytes.size();
            for (ByteBuffer buffer : buffers) {
                byte[] part = new byte[Math.min(buffer.remaining(), end - bytes.size())];
                buffer.get(part);
                bytes.writeBytes(part);
            }
            if (bytes.size() < end) {
                request(bytes.size() > total ? 0 : plan.millis() * (bytes.size() - before) / total);
                return;
            }
            subscription.cancel();
            if (breaks) {
                body.completeExceptionally(new IOException("interrupted by the device's behavior"));
            } else {
                body.complete(Download.TOO_LARGE);
            }
        }

        private void request(long pause) {
            if (pause == 0) {
                subscription.request(1);
            } else {
                after(pause).execute(() -> subscription.request(1));
            }
        }

        @Override
        public void onError(Throwable broken) {
            body.completeExceptionally(broken);
        }

        @Override
        public void onComplete() {
            // The end comes without a request: the last pause may not be over.
            long left = plan.millis() - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun);
            after(Math.max(0, left)).execute(() -> body.complete(0L));
        }
    }

    /** Created when the first device downloads. */
    private static final class Http {
        static final HttpClient CLIENT = HttpClient.newHttpClient();
    }
}
