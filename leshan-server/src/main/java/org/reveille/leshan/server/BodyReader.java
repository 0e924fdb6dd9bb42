package org.reveille.leshan.server;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.util.BufferUtil;
import org.eclipse.jetty.util.thread.Invocable;
import org.eclipse.jetty.util.thread.Scheduler;
import org.reveille.leshan.server.Failure.Code;

/**
 * Reads the bodies of HTTP requests before a thread handles them, so that no thread waits for a slow caller. A body has
 * a maximum size whatever its framing, a deadline, and a share of the memory that all unhandled bodies have together.
 */
final class BodyReader {
    /**
     * Number of bytes of a too large body that are read and dropped before it is refused. Closing a connection with
     * unread bytes resets it, and a caller that is still sending would not receive the response.
     */
    private static final long DROPPED_BYTES = 8L << 20;
    private static final byte[] NO_BODY = {};

    private final long largest;
    private final long total;
    private final Duration deadline;
    private final AtomicLong held = new AtomicLong();

    /**
     * Creates a reader with limits.
     *
     * @param largest maximum number of bytes of one body
     * @param total maximum number of bytes of all bodies that are being received or wait to be handled
     * @param deadline for a whole body, from the head of its request
     */
    BodyReader(long largest, long total, Duration deadline) {
        this.largest = largest;
        this.total = total;
        this.deadline = deadline;
    }

    /** Returns the number of bytes of all bodies that are being received or wait to be handled. */
    long held() {
        return held.get();
    }

    /**
     * Reads the body of a request without waiting for it.
     *
     * @param onComplete receives the request with its whole body if the body has not arrived yet; must not block
     * @param onRefusal receives the response to a body that is too large, too slow or exceeds the shared memory. The
     *     rest of the body is unread: the connection cannot be used again
     * @return the request with its whole body if the body has arrived already, otherwise null. Its memory counts until
     *     {@link BufferedRequest#release}
     */
    BufferedRequest read(Request request, Consumer<BufferedRequest> onComplete, Consumer<HttpAnswer> onRefusal) {
        if (!hasBody(request)) {
            return new BufferedRequest(request, NO_BODY);
        }
        if (request.getLength() > largest + DROPPED_BYTES) {
            onRefusal.accept(tooLarge());
            return null;
        }
        return new Reading(request, onComplete, onRefusal).begin();
    }

    /** Returns whether a request has a body: RFC 9112, 6: it has one if it has one of the two headers. */
    private static boolean hasBody(Request request) {
        return request.getLength() > 0 || request.getHeaders().contains(HttpHeader.TRANSFER_ENCODING);
    }

    private HttpAnswer tooLarge() {
        return HttpAnswer.refusal(Code.TOO_LARGE, "Too large: a body may have " + largest + " bytes");
    }

    private HttpAnswer tooSlow() {
        return HttpAnswer.refusal(Code.BODY_TIMEOUT,
                "Body timeout: the request's body was not complete after " + deadline.toMillis() / 1000.0 + " s");
    }

    private HttpAnswer tooMany() {
        return HttpAnswer.refusal(Code.TOO_MANY_CALLS, "Too many calls: " + total + " bytes of bodies are unhandled");
    }

    /** A body that is being received. The lock separates the deadline from the bytes that arrive meanwhile. */
    private final class Reading implements Invocable.Task {
        private final Request request;
        private final Consumer<BufferedRequest> onComplete;
        private final Consumer<HttpAnswer> onRefusal;
        private ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private Scheduler.Task deadlineTask;
        private boolean begun;
        private BufferedRequest whole;
        private long received;
        private boolean ended;

        private Reading(Request request, Consumer<BufferedRequest> onComplete, Consumer<HttpAnswer> onRefusal) {
            this.request = request;
            this.onComplete = onComplete;
            this.onRefusal = onRefusal;
        }

        private synchronized BufferedRequest begin() {
            run();
            begun = true;
            if (!ended) {
                deadlineTask = request.getComponents().getScheduler().schedule(
                        () -> refuse(tooSlow()), deadline.toMillis(), TimeUnit.MILLISECONDS);
            }
            return whole;
        }

        @Override
        public synchronized void run() {
            while (!ended) {
                Content.Chunk chunk = request.read();
                if (chunk == null) {
                    request.demand(this);
                    return;
                }
                if (Content.Chunk.isFailure(chunk)) {
                    // The caller has closed the connection, or sent nothing for the connection's idle time.
                    refuse(tooSlow());
                    return;
                }
                take(chunk.getByteBuffer());
                chunk.release();
                if (!ended && chunk.isLast()) {
                    complete();
                }
            }
        }

        @Override
        public InvocationType getInvocationType() {
            return InvocationType.NON_BLOCKING;
        }

        private void take(ByteBuffer piece) {
            int size = piece.remaining();
            received += size;
            if (received <= largest) {
                if (held.addAndGet(size) > total) {
                    held.addAndGet(-size);
                    refuse(tooMany());
                    return;
                }
                bytes.writeBytes(BufferUtil.toArray(piece));
            } else if (bytes != null) {
                held.addAndGet(-bytes.size());
                bytes = null;
            } else if (received > largest + DROPPED_BYTES) {
                refuse(tooLarge());
            }
        }

        private void complete() {
            if (bytes == null) {
                refuse(tooLarge());
            } else {
                end();
                whole = new BufferedRequest(request, bytes.toByteArray());
                if (begun) {
                    onComplete.accept(whole);
                }
            }
        }

        private void end() {
            ended = true;
            if (deadlineTask != null) {
                deadlineTask.cancel();
            }
        }

        private synchronized void refuse(HttpAnswer answer) {
            if (!ended) {
                end();
                if (bytes != null) {
                    held.addAndGet(-bytes.size());
                }
                onRefusal.accept(answer);
            }
        }
    }

    /** Returns a request together with its whole body. */
    BufferedRequest whole(Request request, byte[] body) {
        return new BufferedRequest(request, body);
    }

    /** Returns the body of a request that passed {@link #read}; it can be called repeatedly. */
    static byte[] of(Request request) {
        BufferedRequest whole = Request.as(request, BufferedRequest.class);
        return whole == null ? NO_BODY : whole.body;
    }

    /** A request that has its whole body. */
    final class BufferedRequest extends Request.Wrapper {
        private final byte[] body;
        private Content.Chunk unread;

        private BufferedRequest(Request request, byte[] body) {
            super(request);
            this.body = body;
            unread = body.length == 0 ? Content.Chunk.EOF : Content.Chunk.from(ByteBuffer.wrap(body), true);
        }

        /** Releases the memory of the body after the request has been handled. Must be called once. */
        void release() {
            held.addAndGet(-body.length);
        }

        @Override
        public synchronized Content.Chunk read() {
            Content.Chunk next = unread;
            unread = Content.Chunk.EOF;
            return next;
        }

        @Override
        public void demand(Runnable available) {
            available.run();
        }

        @Override
        public void fail(Throwable failure) {
            read();
        }
    }
}
