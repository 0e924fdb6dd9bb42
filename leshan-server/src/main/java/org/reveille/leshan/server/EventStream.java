package org.reveille.leshan.server;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One listener of the event stream: a queue, bounded by events and bytes, and the thread which writes it out. A
 * listener who stops reading fills its queue and is dropped; no device and no other listener waits for it.
 */
final class EventStream {
    private static final int MOST_WAITING = 20_000;
    private static final long MOST_WAITING_BYTES = 16L << 20;
    private static final int HEARTBEAT_S = 10;
    private static final Told END = new Told(0, "");

    /** What was before the stream was opened. */
    @FunctionalInterface
    interface Past {
        /** Writes it, and says up to which number; what is told live up to there is left out. */
        long write(OutputStream output) throws IOException;
    }

    private record Told(long seq, String text) {
    }

    private final String endpoint;
    private final OutputStream output;
    private final Past past;
    private final BlockingQueue<Told> waiting = new LinkedBlockingQueue<>(MOST_WAITING);
    private final AtomicLong waitingBytes = new AtomicLong();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Thread writer;
    private volatile boolean dropped;

    /** @param endpoint the only client whose events are wanted, or null for all */
    EventStream(String endpoint, OutputStream output, Past past) {
        this.endpoint = endpoint;
        this.output = output;
        this.past = past;
        this.writer = new Thread(this::write, "event stream");
        writer.setDaemon(true);
    }

    void start() {
        writer.start();
    }

    /** Done when the listener has gone or was dropped. */
    CompletableFuture<Void> closed() {
        return closed;
    }

    /** @param client what an event is about; null, as with a GAP, is every client */
    boolean wants(String client) {
        return endpoint == null || client == null || endpoint.equals(client);
    }

    /** @param seq the event's number, or {@code Long.MAX_VALUE} when it has none */
    void offer(long seq, String event) {
        if (dropped) {
            return;
        }
        long bytes = waitingBytes.addAndGet(event.length());
        boolean tooMuch = bytes > MOST_WAITING_BYTES && bytes > event.length();
        if (tooMuch || !waiting.offer(new Told(seq, event))) {
            drop();
        }
    }

    /** Nothing is collected any more. It is the writer who closes it: the answer must not end while it writes. */
    private void drop() {
        dropped = true;
        waiting.clear();
        writer.interrupt();
    }

    /** Instead of {@link #start}. */
    void abandon() {
        closed.complete(null);
    }

    void close() {
        waiting.clear();
        waiting.offer(END);
    }

    private void write() {
        try {
            long before = past.write(output);
            output.flush();
            Told next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            while (next != END && !dropped) {
                waitingBytes.addAndGet(next == null ? 0 : -next.text().length());
                if (next == null || next.seq() > before) {
                    output.write((next == null ? "\r\n" : next.text()).getBytes(StandardCharsets.UTF_8));
                    output.flush();
                }
                next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            }
        } catch (IOException | InterruptedException gone) {
            // Both mean that this listener is no longer to be written to.
        } finally {
            closed.complete(null);
        }
    }
}
