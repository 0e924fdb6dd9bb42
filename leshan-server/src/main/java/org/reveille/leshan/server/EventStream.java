package org.reveille.leshan.server;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One listener of the event stream: a bounded queue and the thread which writes it out. A listener who stops reading
 * fills its queue and is dropped; no device and no other listener waits for it.
 */
final class EventStream {
    private static final int MOST_WAITING = 20_000;
    private static final int HEARTBEAT_S = 10;
    private static final String END = "";

    private final String endpoint;
    private final OutputStream output;
    private final BlockingQueue<String> waiting = new LinkedBlockingQueue<>(MOST_WAITING);
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final Thread writer;

    /** @param endpoint the only client whose events are wanted, or null for all */
    EventStream(String endpoint, OutputStream output) {
        this.endpoint = endpoint;
        this.output = output;
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

    void offer(String client, String event) {
        if ((endpoint == null || endpoint.equals(client)) && !waiting.offer(event)) {
            writer.interrupt();
        }
    }

    void close() {
        waiting.clear();
        waiting.offer(END);
    }

    private void write() {
        try {
            String next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            while (!END.equals(next)) {
                output.write((next == null ? "\r\n" : next).getBytes(StandardCharsets.UTF_8));
                output.flush();
                next = waiting.poll(HEARTBEAT_S, TimeUnit.SECONDS);
            }
        } catch (IOException | InterruptedException gone) {
            // Both mean that this listener is no longer to be written to.
        } finally {
            closed.complete(null);
        }
    }
}
