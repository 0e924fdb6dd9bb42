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
 * One subscriber of the event stream: a queue, limited by events and bytes, and the thread that writes it out. A
 * subscriber that stops reading fills its queue and is dropped; no device and no other subscriber waits for it.
 */
final class EventStream {
    private static final int MOST_WAITING = 20_000;
    private static final long MOST_WAITING_BYTES = 16L << 20;
    private static final int HEARTBEAT_S = 10;
    private static final Queued END = new Queued(0, "");

    /** The events before the stream was opened. */
    @FunctionalInterface
    interface Past {
        /** Writes the past events and returns the last number; live events up to that number are skipped. */
        long write(OutputStream output) throws IOException;
    }

    private record Queued(long seq, String text) {
    }

    private final String endpoint;
    private final OutputStream output;
    private final Past past;
    private final BlockingQueue<Queued> waiting = new LinkedBlockingQueue<>(MOST_WAITING);
    private final AtomicLong waitingBytes = new AtomicLong();
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Thread writer;
    private volatile boolean dropped;

    /**
     * Creates a stream.
     *
     * @param endpoint the only client whose events are sent, or null for all
     */
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

    /** Returns a future that completes when the subscriber has disconnected or was dropped. */
    CompletableFuture<Void> closed() {
        return closed;
    }

    /**
     * Returns whether the subscriber receives the events of a client.
     *
     * @param client the client of an event; null, as in a GAP, is every client
     */
    boolean wants(String client) {
        return endpoint == null || client == null || endpoint.equals(client);
    }

    /**
     * Enqueues an event, or drops the subscriber if its queue is full.
     *
     * @param seq the event's number, or {@code Long.MAX_VALUE} if it has none
     */
    void offer(long seq, String event) {
        if (dropped) {
            return;
        }
        long bytes = waitingBytes.addAndGet(event.length());
        boolean tooMuch = bytes > MOST_WAITING_BYTES && bytes > event.length();
        if (tooMuch || !waiting.offer(new Queued(seq, event))) {
            drop();
        }
    }

    /** Stops the collection of events. The writer closes the stream: the response must not end while the writer writes. */
    private void drop() {
        dropped = true;
        waiting.clear();
        writer.interrupt();
    }

    /** Completes the stream without a start; called instead of {@link #start}. */
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
            Queued next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            while (next != END && !dropped) {
                waitingBytes.addAndGet(next == null ? 0 : -next.text().length());
                if (next == null || next.seq() > before) {
                    output.write((next == null ? "\r\n" : next.text()).getBytes(StandardCharsets.UTF_8));
                    output.flush();
                }
                next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            }
        } catch (IOException | InterruptedException gone) {
            // Both mean that nothing more is written to this subscriber.
        } finally {
            closed.complete(null);
        }
    }
}
