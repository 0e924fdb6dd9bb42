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
 * Events on their way to one webhook: numbered, on disk before anybody hears of them, posted in order until they are
 * taken. Some stay after that for listeners of `/api/event` who come back. Those that cannot be written (full disk,
 * locked file) are counted in an event GAP, which is the first event that is written afterwards.
 *
 * <p>It depends on nothing else of this server: {@code new Outbox(store, options)} works in any program.
 */
public final class Outbox implements AutoCloseable {
    /**
     * How an outbox works.
     *
     * @param server the name told with each event
     * @param webhook where events are posted, or null: then they are kept for `/api/event` alone
     * @param secrets of Standard Webhooks (`whsec_..`); each signs, so that a new one can be made known before the old
     *     one goes. Empty: posts are not signed
     * @param token sent as `Authorization: Bearer`, or null
     * @param maxBytes how much may wait; above that presence is coalesced, then the oldest is dropped
     * @param maxAge how long an event may wait before it is dropped, by {@link Store#runningMillis}
     * @param replayBytes how much is kept after delivery
     * @param replayAge how long it is kept after it happened, likewise
     * @param timeout how long one post may take, from the connection to the last byte of the answer
     * @param tls whom an https webhook has to be, and the certificate it is shown; null for Java's own authorities and
     *     no certificate
     */
    public record Options(String server, URI webhook, List<String> secrets, String token, long maxBytes,
            Duration maxAge, long replayBytes, Duration replayAge, Duration timeout, SSLContext tls) {
        public static final long MAX_BYTES = 256L << 20;
        public static final Duration MAX_AGE = Duration.ofDays(7);
        public static final long REPLAY_BYTES = 64L << 20;
        public static final Duration REPLAY_AGE = Duration.ofHours(24);
        public static final Duration TIMEOUT = Duration.ofSeconds(30);

        /** With the default bounds. */
        public Options(String server, URI webhook, List<String> secrets, String token) {
            this(server, webhook, secrets, token, MAX_BYTES, MAX_AGE, REPLAY_BYTES, REPLAY_AGE);
        }

        /** With the default timeout and Java's own authorities. */
        public Options(String server, URI webhook, List<String> secrets, String token, long maxBytes,
                Duration maxAge, long replayBytes, Duration replayAge) {
            this(server, webhook, secrets, token, maxBytes, maxAge, replayBytes, replayAge, TIMEOUT, null);
        }
    }

    /**
     * How it goes.
     *
     * @param waiting events not yet delivered
     * @param waitingBytes roughly their size
     * @param oldestMillis the age of the oldest of them, 0 without any
     * @param delivered events taken by the receiver since the start
     * @param setAside events kept apart because the receiver refused them
     * @param dropped events counted in a GAP since the start: too much waited, or they could not be written
     * @param stopped the receiver answered 401 or refuses every event: one attempt a minute until it takes a post again
     * @param trouble why the last post failed, or null
     * @param failing since the first attempt after which the receiver neither took nor refused an event, 0 when there
     *     is none; the attempt under way counts
     */
    public record Status(long waiting, long waitingBytes, long oldestMillis, long delivered, long setAside, long dropped,
            boolean stopped, String trouble, Duration failing) {
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
    /** So that other writes do not wait for long. */
    private static final long MOST_BYTES_REDELIVERED = 16L << 20;
    /** What is dropped to make room goes down to this part of the bound, so that it is not done for each event. */
    private static final double ROOM = 0.9;
    /** By this part of its bound an event may be older, so that events are not forgotten one by one, each second. */
    private static final double AGE_SLACK = 0.01;

    private final Store store;
    private final Options options;
    private final EventTable table;
    private final String bootId = UUID.randomUUID().toString();
    private final ScheduledExecutorService keeper =
            Executors.newSingleThreadScheduledExecutor(work -> new Thread(work, "outbox"));
    private final EventTeller teller;
    private final WebhookSender sender;

    // Written on the store's thread alone, inside the writes that change them or when those have ended.
    private volatile EventTable.Place place;
    private volatile EventTable.Backlog backlog;
    private volatile long logBytes;
    private volatile long dropped;
    private volatile long setAside;
    private boolean uncertain;
    private boolean failing;
    private Gap unwritten = new Gap();
    private long seq;

    /**
     * Opens the outbox in a store; its tables are made where they are missing.
     *
     * @throws IOException when the store cannot be written
     * @throws IllegalArgumentException when address, secrets or token cannot be used
     */
    public Outbox(Store store, Options options) throws IOException {
        this(store, options, (outcome, duration) -> { });
    }

    /**
     * As {@link #Outbox(Store, Options)}.
     *
     * @param posts called after each post to the webhook with its outcome and duration, on the thread that posts; it
     *     must return at once
     */
    public Outbox(Store store, Options options, BiConsumer<PostOutcome, Duration> posts) throws IOException {
        this.store = store;
        this.options = options;
        this.table = new EventTable(options.server());
        store.writeNow(this::open);
        keeper.scheduleWithFixedDelay(this::keep, 1, 1, TimeUnit.SECONDS);
        teller = new EventTeller(this, seq);
        sender = options.webhook() == null ? null : new WebhookSender(this, options, posts);
    }

    /** Of this process, told with each of its events. */
    public String bootId() {
        return bootId;
    }

    /**
     * Publishes an event.
     *
     * @param endpoint the client it is about, or null
     * @param name such as UPDATED
     * @return completes when it is on disk, on the store's thread (see {@link Store#write}); fails when it is not: then
     *     it is counted in a GAP
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
     * Publishes several events of a client one after the other: all are on disk, or none. What cannot be written is
     * not counted in a GAP: the caller refuses it, so the client keeps it and sends it again.
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
     * Publishes an event as part of a write of the caller's: both are on disk, or neither.
     *
     * @param connection of that write, on the store's thread
     */
    public void publish(Connection connection, String endpoint, String name, JsonNode data) throws SQLException {
        Gap told = prepare(connection);
        Event event = insert(connection, System.currentTimeMillis(), endpoint, name, Json.write(data));
        // This comes after what is being written: it may not have been committed, and yet be counted.
        store.write(later -> {
            boolean written = EventTable.has(later, event.seq());
            if (!written) {
                count(later);
            }
            return written;
        }, (written, failure) -> {
            if (failure == null && !written) {
                restore(told);
            } else {
                ended(told, failure);
            }
            wake();
        });
    }

    /**
     * Redelivers events that were set aside, in their old order and after all that waits: each keeps its id and time and
     * has a new number. Those older than the outbox keeps events stay set aside, and those for which there is no room:
     * at most 16 MiB at a time, and no more than the outbox may hold.
     *
     * @return completes when it is on disk, on the store's thread
     * @throws IllegalStateException when there is no webhook
     */
    public CompletableFuture<Redelivery> redeliver() {
        if (sender == null) {
            throw new IllegalStateException("there is no webhook to redeliver events to");
        }
        CompletableFuture<Redelivery> written = write(connection -> {
            long room = Math.min(MOST_BYTES_REDELIVERED, options.maxBytes() - backlog.bytes());
            List<Event> events =
                    EventTable.setAside(connection, System.currentTimeMillis() - options.maxAge().toMillis(), room);
            for (Event event : events) {
                EventTable.takeBack(connection, event.seq());
                insert(connection, event.numbered(++seq));
            }
            long left = EventTable.refused(connection);
            setAside = left;
            return new Redelivery(events.size(), left);
        });
        written.thenRun(this::wake);
        return written;
    }

    /** Adds a listener, who is told of each event from now on once it is on disk, in order, on a thread for this. */
    public void listen(Consumer<Event> listener) {
        teller.add(listener);
    }

    /** Events that are kept, delivered or not, whose number is greater; at most some hundred, in order. */
    public List<Event> after(long number) throws SQLException {
        return store.read(connection ->
                table.read(connection, number, Long.MAX_VALUE, MOST_IN_A_POST, MOST_BYTES_IN_A_POST));
    }

    public Status status() {
        EventTable.Backlog now = backlog;
        boolean posts = sender != null;
        long age = posts && now.events() > 0 ? Math.max(0, store.runningMillis() - now.oldest()) : 0;
        return new Status(posts ? now.events() : 0, posts ? now.bytes() : 0, age, posts ? sender.delivered() : 0,
                setAside, dropped, posts && sender.stopped(), posts ? sender.trouble() : null,
                posts ? sender.failing() : Duration.ZERO);
    }

    /** Whether its threads still run: without them nobody is told of anything. */
    public boolean isAlive() {
        return teller.isAlive() && (sender == null || sender.isAlive());
    }

    /** Waits until everything is delivered, at most so long. Publish nothing meanwhile. */
    public boolean drain(Duration most) throws InterruptedException {
        long end = System.nanoTime() + most.toNanos();
        while (status().waiting() > 0 && System.nanoTime() < end) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return status().waiting() == 0;
    }

    /** Stops posting; what waits is posted after the next start. The store stays open. */
    @Override
    public void close() throws InterruptedException {
        keeper.shutdownNow();
        teller.close();
        if (sender != null) {
            sender.close();
        }
    }

    /**
     * What the next post carries; empty when nothing waits. Its range is on disk before it is posted: a post that was
     * not answered is made again as it was, under its id, also by the next process.
     *
     * @param anew do not make it as it was, but of {@code most} events
     */
    List<Event> nextBatch(boolean anew, int most) {
        return write(connection -> {
            boolean again = !anew && place.batch() > place.delivered();
            List<Event> batch = again
                    ? table.read(connection, place.delivered(), place.batch(), MOST_IN_A_POST, Long.MAX_VALUE)
                    : table.read(connection, place.delivered(), Long.MAX_VALUE, most, MOST_BYTES_IN_A_POST);
            if (!again && !batch.isEmpty()) {
                move(connection, place.delivered(), batch.get(batch.size() - 1).seq());
            }
            return batch;
        }).join();
    }

    /** The receiver has taken a batch. */
    void delivered(List<Event> batch) {
        write(connection -> {
            advance(connection, batch);
            return null;
        }).join();
    }

    /** The receiver refuses this event, whatever is posted with it. */
    void setAside(Event event, int status, String answer) {
        write(connection -> {
            EventTable.setAside(connection, event, status, answer);
            advance(connection, List.of(event));
            return null;
        }, (done, failure) -> setAside += failure == null ? 1 : 0).join();
        LOG.error("{} of {} (seq {}) was refused with {} and is set aside: {}", event.name(), event.endpoint(),
                event.seq(), status, answer);
    }

    /**
     * Holds what waits and what is kept within their bounds. Done every second.
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

    private void restore(Gap told) {
        if (told != null) {
            unwritten.add(told);
        }
    }

    private <T> CompletableFuture<T> write(Store.Work<T> work) {
        return write(work, (done, failure) -> { });
    }

    /** As the store's, see {@link #prepare}. */
    private <T> CompletableFuture<T> write(Store.Work<T> work, BiConsumer<? super T, Throwable> then) {
        AtomicReference<Gap> told = new AtomicReference<>();
        return store.write(connection -> {
            told.set(prepare(connection));
            return work.run(connection);
        }, (done, failure) -> {
            ended(told.get(), failure);
            then.accept(done, failure);
        });
    }

    /**
     * Begins a write: after a failure what is known of the tables is read from them, and what could not be written
     * becomes an event GAP, before anything else is written.
     *
     * @return what that event counts, or null without one; to be given to {@link #ended}
     */
    private Gap prepare(Connection connection) throws SQLException {
        if (uncertain) {
            place = EventTable.place(connection);
            setAside = EventTable.refused(connection);
            count(connection);
        }
        if (unwritten.isEmpty()) {
            return null;
        }
        insert(connection, System.currentTimeMillis(), null, Gap.NAME, Json.write(unwritten.json()));
        Gap told = unwritten;
        unwritten = new Gap();
        return told;
    }

    /** Ends a write, on the store's thread and before the next one begins. */
    private void ended(Gap told, Throwable failure) {
        uncertain |= failure != null;
        if (failure != null) {
            restore(told);
        } else if (told != null) {
            dropped += told.events();
            LOG.error("{} events could not be written and are counted in an event GAP", told.events());
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
        setAside = EventTable.refused(connection);
        place = EventTable.place(connection);
        if (options.webhook() == null) {
            move(connection, seq, seq);
        }
        count(connection);
        return null;
    }

    /** Numbers are given here, one write after the other: what has a smaller number is never committed later. */
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
        teller.wake();
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
        EventTable.Place next = new EventTable.Place(delivered, batch);
        EventTable.place(connection, next);
        place = next;
    }

    private void count(Connection connection) throws SQLException {
        backlog = EventTable.backlog(connection, place.delivered());
        logBytes = EventTable.backlog(connection, 0).bytes() - backlog.bytes();
        uncertain = false;
    }

    /** Returns how many events were dropped. */
    private long trim(Connection connection, long now) throws SQLException {
        long gone = 0;
        if (options.webhook() == null) {
            // A webhook that is given at a later start is not told what happened before.
            long last = EventTable.lastSeq(connection);
            if (last > place.delivered()) {
                move(connection, last, last);
            }
        } else {
            gone = trimBacklog(connection, now);
        }
        boolean large = logBytes > options.replayBytes();
        if (large || isOld(connection, 0, place.delivered(), now, options.replayAge())) {
            long tooMuch = large ? logBytes - (long) (options.replayBytes() * ROOM) : 0;
            // Subtracted, not counted anew: the sum over a large log each second held up all that want to write.
            logBytes -= EventTable.forget(
                    connection, place.delivered(), tooMuch, now - options.replayAge().toMillis());
        }
        return gone;
    }

    private long trimBacklog(Connection connection, long now) throws SQLException {
        if (backlog.bytes() > options.maxBytes()) {
            EventTable.coalescePresence(connection, place.floor());
            count(connection);
        }
        boolean full = backlog.bytes() > options.maxBytes();
        // Above the floor: what is under way in a post may be as old as it wants, and stays.
        if (full || isOld(connection, place.floor(), Long.MAX_VALUE, now, options.maxAge())) {
            long tooMuch = full ? backlog.bytes() - (long) (options.maxBytes() * ROOM) : 0;
            return drop(connection, tooMuch, now - options.maxAge().toMillis());
        }
        return 0;
    }

    private long drop(Connection connection, long bytes, long before) throws SQLException {
        EventTable.Dropped gone = EventTable.drop(connection, place.floor(), bytes, before, bootId);
        if (gone.events() > 0) {
            backlog = new EventTable.Backlog(
                    backlog.events() - gone.rows(), backlog.bytes() - gone.bytes(), oldest(connection));
        }
        return gone.events();
    }

    private long oldest(Connection connection) throws SQLException {
        Long oldest = EventTable.oldest(connection, place.delivered(), Long.MAX_VALUE);
        return oldest == null ? store.runningMillis() : oldest;
    }

    private static boolean isOld(Connection connection, long after, long last, long now, Duration most)
            throws SQLException {
        Long oldest = EventTable.oldest(connection, after, last);
        return oldest != null && oldest < now - most.toMillis() - (long) (most.toMillis() * AGE_SLACK);
    }

    /** Also what writes a GAP when nothing else happens. */
    private void keep() {
        trim(store.runningMillis());
    }
}
