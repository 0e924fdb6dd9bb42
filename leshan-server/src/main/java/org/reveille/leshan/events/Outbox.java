package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import javax.net.ssl.SSLContext;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A queue of events for one webhook: numbered, written to disk before they are published, posted in order until they
 * are accepted. Some stay after that for listeners of `/api/event` that reconnect. Events that cannot be written (full
 * disk, locked file) are counted in an event GAP, which is the first event that is written afterwards.
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
     * one is
     *     removed. Empty: posts are not signed
     * @param token sent as `Authorization: Bearer`, or null
     * @param maxBytes maximum size of waiting events; above that presence is coalesced, then the oldest are dropped
     * @param maxAge how long an event may wait before it is dropped, by {@link Store#runningMillis}
     * @param replayBytes maximum size of events that are stored after delivery
     * @param replayAge how long an event is stored after it happened, likewise
     * @param timeout how long one post may take, from the connection to the last byte of the response
     * @param tls the trusted authorities of an https webhook, and the certificate that is presented to it; null for
     * Java's own
     *     authorities and no certificate
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
     * again
     * @param lastError why the last post failed, or null
     * @param failing since the first attempt after which the receiver neither accepted nor refused an event, 0 if there
     * is
     *     none; the current attempt counts
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

    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    static final int MOST_IN_A_POST = 500;
    private static final long MOST_BYTES_IN_A_POST = 256L << 10;
    /** Limited so that other writes do not wait for long. */
    private static final long MOST_BYTES_REDELIVERED = 16L << 20;
    /** A drop reduces the size to this fraction of the limit, so that it is not repeated for each event. */
    private static final double ROOM = 0.9;
    /** An event may be older than its limit by this fraction, so that events are not deleted one by one, each second. */
    private static final double AGE_SLACK = 0.01;

    private final Store store;
    private final Options options;
    private final EventTable table;
    private final String bootId = UUID.randomUUID().toString();
    private final ScheduledExecutorService maintenance =
            Executors.newSingleThreadScheduledExecutor(work -> new Thread(work, "outbox"));
    private final EventDispatcher dispatcher;
    private final WebhookSender sender;

    // Written only on the store's thread, inside the writes that change them or when those have ended.
    private volatile EventTable.Position position;
    private volatile EventTable.Backlog backlog;
    private volatile long logBytes;
    private volatile long dropped;
    private volatile long refused;
    private boolean uncertain;
    private boolean failing;
    private Gap unwritten = new Gap();
    private long seq;

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
     * must
     *     return immediately
     */
    public Outbox(Store store, Options options, BiConsumer<PostOutcome, Duration> posts) throws IOException {
        this.store = store;
        this.options = options;
        this.table = new EventTable(options.server());
        store.writeNow(this::open);
        maintenance.scheduleWithFixedDelay(this::maintain, 1, 1, TimeUnit.SECONDS);
        dispatcher = new EventDispatcher(this, seq);
        sender = options.webhook() == null ? null : new WebhookSender(this, options, posts);
    }

    /** Returns the id of this process, which each of its events contains. */
    public String bootId() {
        return bootId;
    }

    /**
     * Publishes an event.
     *
     * @param endpoint the client of the event, or null
     * @param name such as UPDATED
     * @return completes when the event is on disk, on the store's thread (see {@link Store#write}); fails if it could
     * not be
     *     written: then it is counted in a GAP
     */
    public CompletableFuture<Event> publish(String endpoint, String name, JsonNode data) {
        long time = System.currentTimeMillis();
        String text = Json.write(data);
        return write(connection -> insert(connection, time, endpoint, name, text), (event, failure) -> {
            if (failure == null) {
                wake();
            } else {
                unwritten.add(name, 1, time);
            }
        });
    }

    /**
     * Publishes several events of a client consecutively: all are on disk, or none. Events that cannot be written are
     * not counted in a GAP: the caller refuses them, so the client keeps them and sends them again.
     *
     * @param data of each, at least one
     * @return the last one, as with one event
     */
    CompletableFuture<Event> publishOrRefuse(String endpoint, String name, List<? extends JsonNode> data) {
        long time = System.currentTimeMillis();
        List<String> texts = data.stream().map(Json::write).toList();
        return write(connection -> {
            Event last = null;
            for (String text : texts) {
                last = insert(connection, time, endpoint, name, text);
            }
            return last;
        }, (event, failure) -> {
            if (failure == null) {
                wake();
            }
        });
    }

    /**
     * Publishes an event as part of a write of the caller: both are on disk, or neither.
     *
     * @param connection of that write, on the store's thread
     */
    public void publish(Connection connection, String endpoint, String name, JsonNode data) throws SQLException {
        Gap reported = prepare(connection);
        Event event = insert(connection, System.currentTimeMillis(), endpoint, name, Json.write(data));
        // This runs after the current write, which may not have been committed although it is counted.
        store.write(later -> {
            boolean written = EventTable.has(later, event.seq());
            if (!written) {
                count(later);
            }
            return written;
        }, (written, failure) -> {
            if (failure == null && !written) {
                restore(reported);
            } else {
                ended(reported, failure);
            }
            wake();
        });
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
        CompletableFuture<Redelivery> written = write(connection -> {
            long room = Math.min(MOST_BYTES_REDELIVERED, options.maxBytes() - backlog.bytes());
            List<Event> events =
                    EventTable.selectRefused(connection, System.currentTimeMillis() - options.maxAge().toMillis(), room);
            for (Event event : events) {
                EventTable.deleteRefused(connection, event.seq());
                insert(connection, event.numbered(++seq));
            }
            long left = EventTable.countRefused(connection);
            refused = left;
            return new Redelivery(events.size(), left);
        });
        written.thenRun(this::wake);
        return written;
    }

    /** Adds a listener, which receives each later event once it is on disk, in order, on a dedicated thread. */
    public void listen(Consumer<Event> listener) {
        dispatcher.add(listener);
    }

    /** Returns stored events, delivered or not, with a greater number; at most some hundred, in order. */
    public List<Event> after(long number) throws SQLException {
        return store.read(connection ->
                table.read(connection, number, Long.MAX_VALUE, MOST_IN_A_POST, MOST_BYTES_IN_A_POST));
    }

    public Status status() {
        EventTable.Backlog now = backlog;
        boolean posts = sender != null;
        long age = posts && now.events() > 0 ? Math.max(0, store.runningMillis() - now.oldest()) : 0;
        return new Status(posts ? now.events() : 0, posts ? now.bytes() : 0, age, posts ? sender.delivered() : 0,
                refused, dropped, posts && sender.stopped(), posts ? sender.lastError() : null,
                posts ? sender.failing() : Duration.ZERO);
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
        maintenance.shutdownNow();
        dispatcher.close();
        if (sender != null) {
            sender.close();
        }
    }

    /**
     * Returns the events of the next post; empty if none wait. Its range is on disk before it is posted: a post without
     * a response is repeated unchanged, under its id, also by the next process.
     *
     * @param newBatch create a new batch of {@code most} events instead of the unchanged one
     */
    List<Event> nextBatch(boolean newBatch, int most) {
        return write(connection -> {
            boolean again = !newBatch && position.batch() > position.delivered();
            List<Event> batch = again
                    ? table.read(connection, position.delivered(), position.batch(), MOST_IN_A_POST, Long.MAX_VALUE)
                    : table.read(connection, position.delivered(), Long.MAX_VALUE, most, MOST_BYTES_IN_A_POST);
            if (!again && !batch.isEmpty()) {
                move(connection, position.delivered(), batch.get(batch.size() - 1).seq());
            }
            return batch;
        }).join();
    }

    /** Records that the receiver has accepted a batch. */
    void delivered(List<Event> batch) {
        write(connection -> {
            advance(connection, batch);
            return null;
        }).join();
    }

    /** Stores an event separately because the receiver refuses it, whatever is posted with it. */
    void refuse(Event event, int status, String answer) {
        write(connection -> {
            EventTable.insertRefused(connection, event, status, answer);
            advance(connection, List.of(event));
            return null;
        }, (done, failure) -> refused += failure == null ? 1 : 0).join();
        LOG.error("{} of {} (seq {}) was refused with {} and is set aside: {}", event.name(), event.endpoint(),
                event.seq(), status, answer);
    }

    /**
     * Keeps waiting and stored events within their limits. Called every second.
     *
     * @param now running time of the store
     */
    CompletableFuture<Long> trim(long now) {
        return write(connection -> trim(connection, now), (gone, failure) -> {
            if (failure == null && gone > 0) {
                dropped += gone;
                LOG.error("the webhook takes too little: {} events were dropped and are counted in an event GAP", gone);
            }
        });
    }

    private void restore(Gap reported) {
        if (reported != null) {
            unwritten.add(reported);
        }
    }

    private <T> CompletableFuture<T> write(Store.Work<T> work) {
        return write(work, (done, failure) -> { });
    }

    /** Writes to the store, see {@link #prepare}. */
    private <T> CompletableFuture<T> write(Store.Work<T> work, BiConsumer<? super T, Throwable> then) {
        AtomicReference<Gap> reported = new AtomicReference<>();
        return store.write(connection -> {
            reported.set(prepare(connection));
            return work.run(connection);
        }, (done, failure) -> {
            ended(reported.get(), failure);
            then.accept(done, failure);
        });
    }

    /**
     * Begins a write: after a failure the cached state is read from the tables again, and events that could not be
     * written become an event GAP, before anything else is written.
     *
     * @return the counts of that event, or null if there is none; must be passed to {@link #ended}
     */
    private Gap prepare(Connection connection) throws SQLException {
        if (uncertain) {
            position = EventTable.position(connection);
            refused = EventTable.countRefused(connection);
            count(connection);
        }
        if (unwritten.isEmpty()) {
            return null;
        }
        insert(connection, System.currentTimeMillis(), null, Gap.NAME, Json.write(unwritten.json()));
        Gap reported = unwritten;
        unwritten = new Gap();
        return reported;
    }

    /** Ends a write, on the store's thread and before the next one begins. */
    private void ended(Gap reported, Throwable failure) {
        uncertain |= failure != null;
        if (failure != null) {
            restore(reported);
        } else if (reported != null) {
            dropped += reported.events();
            LOG.error("{} events could not be written and are counted in an event GAP", reported.events());
            wake();
        }
        if (failure != null && !failing) {
            LOG.error("events cannot be written, those that come are counted in an event GAP: {}", failure.getMessage());
        } else if (failure == null && failing) {
            LOG.warn("events are written again");
        }
        failing = failure != null;
    }

    private Void open(Connection connection) throws SQLException {
        EventTable.create(connection);
        seq = EventTable.lastSeq(connection);
        refused = EventTable.countRefused(connection);
        position = EventTable.position(connection);
        if (options.webhook() == null) {
            move(connection, seq, seq);
        }
        count(connection);
        return null;
    }

    /**
     * Inserts an event. Numbers are assigned here, one write after the other: an event with a smaller number is never
     * committed later.
     */
    private Event insert(Connection connection, long time, String endpoint, String name, String data)
            throws SQLException {
        long number = ++seq;
        return insert(connection,
                new Event(bootId + "-" + number, number, options.server(), bootId, time, name, endpoint, data));
    }

    private Event insert(Connection connection, Event event) throws SQLException {
        long running = store.runningMillis();
        EventTable.insert(connection, event, running);
        if (options.webhook() == null) {
            logBytes += event.size();
        } else {
            EventTable.Backlog was = backlog;
            backlog = new EventTable.Backlog(was.events() + 1, was.bytes() + event.size(),
                    was.events() == 0 ? running : was.oldest());
        }
        return event;
    }

    private void wake() {
        dispatcher.wake();
        if (sender != null) {
            sender.wake();
        }
    }

    private void advance(Connection connection, List<Event> batch) throws SQLException {
        long last = batch.get(batch.size() - 1).seq();
        move(connection, last, last);
        EventTable.Backlog was = backlog;
        long bytes = batch.stream().mapToLong(Event::size).sum();
        logBytes += bytes;
        backlog = new EventTable.Backlog(was.events() - batch.size(), was.bytes() - bytes, oldest(connection));
    }

    private void move(Connection connection, long delivered, long batch) throws SQLException {
        EventTable.Position next = new EventTable.Position(delivered, batch);
        EventTable.position(connection, next);
        position = next;
    }

    private void count(Connection connection) throws SQLException {
        backlog = EventTable.backlog(connection, position.delivered());
        logBytes = EventTable.backlog(connection, 0).bytes() - backlog.bytes();
        uncertain = false;
    }

    /** Returns the number of dropped events. */
    private long trim(Connection connection, long now) throws SQLException {
        long gone = 0;
        if (options.webhook() == null) {
            // A webhook that is configured at a later start does not receive earlier events.
            long last = EventTable.lastSeq(connection);
            if (last > position.delivered()) {
                move(connection, last, last);
            }
        } else {
            gone = trimBacklog(connection, now);
        }
        boolean large = logBytes > options.replayBytes();
        if (large || isOld(connection, 0, position.delivered(), now, options.replayAge())) {
            long tooMuch = large ? logBytes - (long) (options.replayBytes() * ROOM) : 0;
            // Subtracted, not recounted: the sum over a large log every second blocked all other writes.
            logBytes -= EventTable.deleteDelivered(
                    connection, position.delivered(), tooMuch, now - options.replayAge().toMillis());
        }
        return gone;
    }

    private long trimBacklog(Connection connection, long now) throws SQLException {
        if (backlog.bytes() > options.maxBytes()) {
            EventTable.coalescePresence(connection, position.floor());
            count(connection);
        }
        boolean full = backlog.bytes() > options.maxBytes();
        // Above the floor: the events of the current post stay, whatever their age.
        if (full || isOld(connection, position.floor(), Long.MAX_VALUE, now, options.maxAge())) {
            long tooMuch = full ? backlog.bytes() - (long) (options.maxBytes() * ROOM) : 0;
            return drop(connection, tooMuch, now - options.maxAge().toMillis());
        }
        return 0;
    }

    private long drop(Connection connection, long bytes, long before) throws SQLException {
        EventTable.Dropped gone = EventTable.drop(connection, position.floor(), bytes, before, bootId);
        if (gone.events() > 0) {
            backlog = new EventTable.Backlog(
                    backlog.events() - gone.rows(), backlog.bytes() - gone.bytes(), oldest(connection));
        }
        return gone.events();
    }

    private long oldest(Connection connection) throws SQLException {
        Long oldest = EventTable.oldest(connection, position.delivered(), Long.MAX_VALUE);
        return oldest == null ? store.runningMillis() : oldest;
    }

    private static boolean isOld(Connection connection, long after, long last, long now, Duration most)
            throws SQLException {
        Long oldest = EventTable.oldest(connection, after, last);
        return oldest != null && oldest < now - most.toMillis() - (long) (most.toMillis() * AGE_SLACK);
    }

    /** Runs the maintenance. It also writes a GAP if nothing else happens. */
    private void maintain() {
        trim(store.runningMillis());
    }
}
