package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import org.reveille.leshan.store.Store;

/**
 * A queue of events for one webhook: numbered, written to disk before they are published, posted in order until they
 * are accepted. Some stay after that for listeners of `/api/event` that reconnect. The stored events are an
 * {@link EventLog}; {@link DeliveryQueue} selects those of the next post, {@link EventRetention} deletes old ones.
 *
 * <p>It depends on no other part of this server: {@code new Outbox(store, options)} works in any program.
 */
public final class Outbox implements AutoCloseable {
    /**
     * Options of an outbox.
     *
     * @param server the name that each event contains
     * @param webhook where events are posted, or null: then they are stored only for `/api/event`
     * @param secrets of Standard Webhooks (`whsec_..`); each signs, so that a new one can be distributed before the old
     *     one is removed. Empty: posts are not signed
     * @param token sent as `Authorization: Bearer`, or null
     * @param maxBytes maximum size of waiting events; above that presence is coalesced, then the oldest are dropped
     * @param maxAge how long an event may wait before it is dropped, by {@link Store#runningMillis}
     * @param replayBytes maximum size of events that are stored after delivery
     * @param replayAge how long an event is stored after it happened, likewise
     * @param timeout how long one post may take, from the connection to the last byte of the response
     * @param tls the trusted authorities of an https webhook, and the certificate that is presented to it; null for
     *     Java's own authorities and no certificate
     */
    public record Options(String server, URI webhook, List<String> secrets, String token, long maxBytes,
            Duration maxAge, long replayBytes, Duration replayAge, Duration timeout, SSLContext tls) {
        public static final long MAX_BYTES = 256L << 20;
        public static final Duration MAX_AGE = Duration.ofDays(7);
        public static final long REPLAY_BYTES = 64L << 20;
        public static final Duration REPLAY_AGE = Duration.ofHours(24);
        public static final Duration TIMEOUT = Duration.ofSeconds(30);

        /** Creates options with the default limits. */
        public Options(String server, URI webhook, List<String> secrets, String token) {
            this(server, webhook, secrets, token, MAX_BYTES, MAX_AGE, REPLAY_BYTES, REPLAY_AGE);
        }

        /** Creates options with the default timeout and Java's own authorities. */
        public Options(String server, URI webhook, List<String> secrets, String token, long maxBytes,
                Duration maxAge, long replayBytes, Duration replayAge) {
            this(server, webhook, secrets, token, maxBytes, maxAge, replayBytes, replayAge, TIMEOUT, null);
        }
    }

    /**
     * State of the outbox.
     *
     * @param waiting events not yet delivered
     * @param waitingBytes approximately their size
     * @param oldestMillis the age of the oldest of them, 0 if there are none
     * @param delivered events accepted by the receiver since the start
     * @param refused events stored separately because the receiver refused them
     * @param dropped events counted in a GAP since the start: too many waited, or they could not be written
     * @param stopped the receiver answered 401 or refuses every event: one attempt per minute until it accepts a post
     *     again
     * @param lastError why the last post failed, or null
     * @param failing since the first attempt after which the receiver neither accepted nor refused an event, 0 if there
     *     is none; the current attempt counts
     */
    public record Status(long waiting, long waitingBytes, long oldestMillis, long delivered, long refused, long dropped,
            boolean stopped, String lastError, Duration failing) {
    }

    /**
     * The result of {@link #redeliver}.
     *
     * @param redelivered events that wait for the webhook again
     * @param left events that are still set aside
     */
    public record Redelivery(long redelivered, long left) {
    }

    private final EventLog log;
    private final DeliveryQueue queue;
    private final EventRetention retention;
    private final EventDispatcher dispatcher;
    /** Null if there is no webhook. */
    private final WebhookSender sender;

    /**
     * Opens the outbox in a store; creates its tables if they are missing.
     *
     * @throws IOException if the store cannot be written
     * @throws IllegalArgumentException if address, secrets or token cannot be used
     */
    public Outbox(Store store, Options options) throws IOException {
        this(store, options, (outcome, duration) -> { });
    }

    /**
     * Opens the outbox as {@link #Outbox(Store, Options)} does.
     *
     * @param posts called after each post to the webhook with its outcome and duration, on the thread that posts; it
     *     must return immediately
     */
    public Outbox(Store store, Options options, BiConsumer<PostOutcome, Duration> posts) throws IOException {
        log = new EventLog(store, options.server(), options.webhook() != null, this::wake);
        queue = new DeliveryQueue(log, options.maxBytes(), options.maxAge());
        dispatcher = new EventDispatcher(log);
        sender = options.webhook() == null ? null : new WebhookSender(queue, options, posts);
        retention = new EventRetention(log, options);
    }

    /** Returns the id of this process, which each of its events contains. */
    public String bootId() {
        return log.bootId();
    }

    /**
     * Publishes an event.
     *
     * @param endpoint the client of the event, or null
     * @param name such as UPDATED
     * @return completes when the event is on disk, on the store's thread (see {@link Store#write}); fails if it could
     *     not be written: then it is counted in a GAP
     */
    public CompletableFuture<Event> publish(String endpoint, String name, JsonNode data) {
        return log.append(endpoint, name, data);
    }

    /**
     * Publishes several events of a client consecutively: all are on disk, or none. Events that cannot be written are
     * not counted in a GAP: the caller refuses them, so the client keeps them and sends them again.
     *
     * @param data of each, at least one
     * @return the last one, as with one event
     */
    CompletableFuture<Event> publishOrRefuse(String endpoint, String name, List<? extends JsonNode> data) {
        return log.appendOrRefuse(endpoint, name, data);
    }

    /**
     * Publishes an event as part of a write of the caller: both are on disk, or neither.
     *
     * @param connection of that write, on the store's thread
     */
    public void publish(Connection connection, String endpoint, String name, JsonNode data) throws SQLException {
        log.append(connection, endpoint, name, data);
    }

    /**
     * Redelivers events that were set aside, in their old order and after all waiting events: each keeps its id and
     * time and has a new number. Events older than the outbox's maximum age stay set aside, and those that exceed the
     * limit: at most 16 MiB at a time, and not more than the outbox may hold.
     *
     * @return completes when it is on disk, on the store's thread
     * @throws IllegalStateException if there is no webhook
     */
    public CompletableFuture<Redelivery> redeliver() {
        if (sender == null) {
            throw new IllegalStateException("there is no webhook to redeliver events to");
        }
        CompletableFuture<Redelivery> written = queue.redeliver();
        written.thenRun(this::wake);
        return written;
    }

    /** Adds a listener, which receives each later event once it is on disk, in order, on a dedicated thread. */
    public void listen(Consumer<Event> listener) {
        dispatcher.add(listener);
    }

    /** Returns stored events, delivered or not, with a greater number; at most some hundred, in order. */
    public List<Event> after(long number) throws SQLException {
        return log.after(number);
    }

    public Status status() {
        if (sender == null) {
            return new Status(0, 0, 0, 0, log.refused(), log.dropped(), false, null, Duration.ZERO);
        }
        EventTable.Backlog backlog = log.backlog();
        long age = backlog.events() > 0 ? Math.max(0, log.runningMillis() - backlog.oldest()) : 0;
        return new Status(backlog.events(), backlog.bytes(), age, sender.delivered(), log.refused(), log.dropped(),
                sender.stopped(), sender.lastError(), sender.failing());
    }

    /** Returns whether its threads are running: without them no events are delivered. */
    public boolean isAlive() {
        return dispatcher.isAlive() && (sender == null || sender.isAlive());
    }

    /** Waits until everything is delivered, at most for the given time. Nothing may be published meanwhile. */
    public boolean drain(Duration most) throws InterruptedException {
        long end = System.nanoTime() + most.toNanos();
        while (status().waiting() > 0 && System.nanoTime() < end) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return status().waiting() == 0;
    }

    /** Stops posting; waiting events are posted after the next start. The store stays open. */
    @Override
    public void close() throws InterruptedException {
        retention.close();
        dispatcher.close();
        if (sender != null) {
            sender.close();
        }
    }

    /** Returns the part that limits the stored events. */
    EventRetention retention() {
        return retention;
    }

    private void wake() {
        dispatcher.wake();
        if (sender != null) {
            sender.wake();
        }
    }
}
