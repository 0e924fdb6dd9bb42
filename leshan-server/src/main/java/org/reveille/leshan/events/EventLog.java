package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The stored events: appends them with their numbers, and keeps count of those that wait and those that were delivered.
 * Events that cannot be written (full disk, locked file) are counted in an event GAP, which is the first event that is
 * written afterwards.
 *
 * <p>All changes are writes of {@link #write}. The counters are cached; after a failed write they are read from the
 * tables again.
 */
final class EventLog {
    /** Maximum number of events in one post, and in one read of stored events. */
    static final int MOST_IN_A_READ = 500;
    /** Maximum size of those events in bytes, unless a single one is larger. */
    static final long MOST_BYTES_IN_A_READ = 256L << 10;
    private static final Logger LOG = LoggerFactory.getLogger(EventLog.class);

    private final Store store;
    private final String server;
    private final boolean hasWebhook;
    private final EventTable table;
    private final String bootId = UUID.randomUUID().toString();
    private final Runnable appended;

    // Written only on the store's thread, inside the writes that change them or when those have ended.
    private volatile EventTable.Position position;
    private volatile EventTable.Backlog backlog;
    private volatile long deliveredBytes;
    private volatile long dropped;
    private volatile long refused;
    private boolean uncertain;
    private boolean failing;
    private Gap unwritten = new Gap();
    private long seq;

    /**
     * Opens the log in a store; creates its tables if they are missing.
     *
     * @param hasWebhook whether events wait for delivery; otherwise they count as delivered
     * @param appended is called on the store's thread when further events are on disk
     * @throws IOException if the store cannot be written
     */
    EventLog(Store store, String server, boolean hasWebhook, Runnable appended) throws IOException {
        this.store = store;
        this.server = server;
        this.hasWebhook = hasWebhook;
        this.table = new EventTable(server);
        this.appended = appended;
        store.writeNow(this::open);
    }

    private Void open(Connection connection) throws SQLException {
        EventTable.create(connection);
        seq = EventTable.lastSeq(connection);
        refused = EventTable.countRefused(connection);
        position = EventTable.position(connection);
        if (!hasWebhook) {
            move(connection, seq, seq);
        }
        count(connection);
        return null;
    }

    String bootId() {
        return bootId;
    }

    /** Returns the number of the last event; must be called before the first one is appended. */
    long lastSeq() {
        return seq;
    }

    EventTable.Position position() {
        return position;
    }

    EventTable.Backlog backlog() {
        return backlog;
    }

    /** Returns the size of the events that were delivered and are still stored. */
    long deliveredBytes() {
        return deliveredBytes;
    }

    /** Returns the number of events that were counted in a GAP since the start. */
    long dropped() {
        return dropped;
    }

    /** Returns the number of events that are stored separately because the receiver refused them. */
    long refused() {
        return refused;
    }

    /** Returns the clock by which ages are measured, see {@link Store#runningMillis}. */
    long runningMillis() {
        return store.runningMillis();
    }

    /** Appends an event, see {@link Outbox#publish(String, String, JsonNode)}. */
    CompletableFuture<Event> append(String endpoint, String name, JsonNode data) {
        long time = System.currentTimeMillis();
        String text = Json.write(data);
        return write(connection -> insert(connection, time, endpoint, name, text), (event, failure) -> {
            if (failure == null) {
                appended.run();
            } else {
                unwritten.add(name, 1, time);
            }
        });
    }

    /** Appends several events, see {@link Outbox#publishOrRefuse}. */
    CompletableFuture<Event> appendOrRefuse(String endpoint, String name, List<? extends JsonNode> data) {
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
                appended.run();
            }
        });
    }

    /** Appends an event in a write of the caller, see {@link Outbox#publish(Connection, String, String, JsonNode)}. */
    void append(Connection connection, String endpoint, String name, JsonNode data) throws SQLException {
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
            appended.run();
        });
    }

    /** Returns stored events, delivered or not, with a greater number, in order; at most {@link #MOST_IN_A_READ}. */
    List<Event> after(long number) throws SQLException {
        return store.read(connection ->
                table.read(connection, number, Long.MAX_VALUE, MOST_IN_A_READ, MOST_BYTES_IN_A_READ));
    }

    /** Returns events with {@code after < seq <= last}, see {@link EventTable#read}. */
    List<Event> read(Connection connection, long after, long last, int most, long mostBytes) throws SQLException {
        return table.read(connection, after, last, most, mostBytes);
    }

    /** Records which events are delivered, and which are in the current post. */
    void move(Connection connection, long delivered, long batch) throws SQLException {
        EventTable.Position next = new EventTable.Position(delivered, batch);
        EventTable.position(connection, next);
        position = next;
    }

    /** Records that the first waiting events are delivered. */
    void advance(Connection connection, List<Event> batch) throws SQLException {
        long last = batch.get(batch.size() - 1).seq();
        move(connection, last, last);
        EventTable.Backlog was = backlog;
        long bytes = batch.stream().mapToLong(Event::size).sum();
        deliveredBytes += bytes;
        backlog = new EventTable.Backlog(was.events() - batch.size(), was.bytes() - bytes, oldest(connection));
    }

    /** Stores the first waiting event separately, with the response of the receiver that refused it. */
    void refuse(Connection connection, Event event, int status, String answer) throws SQLException {
        EventTable.insertRefused(connection, event, status, answer);
        advance(connection, List.of(event));
        refused++;
    }

    /**
     * Appends refused events again, the oldest first, with new numbers.
     *
     * @param from milliseconds since the epoch; older events stay refused
     * @param room maximum size of the events in bytes
     * @return the number of events
     */
    int requeueRefused(Connection connection, long from, long room) throws SQLException {
        List<Event> events = EventTable.selectRefused(connection, from, room);
        for (Event event : events) {
            EventTable.deleteRefused(connection, event.seq());
            insert(connection, event.numbered(++seq));
        }
        refused = EventTable.countRefused(connection);
        return events.size();
    }

    /** Deletes waiting presence events that a newer one replaces, see {@link EventTable#coalescePresence}. */
    void coalescePresence(Connection connection) throws SQLException {
        EventTable.coalescePresence(connection, position.floor());
        count(connection);
    }

    /**
     * Replaces the oldest waiting events by a GAP, see {@link EventTable#drop}; {@link #countDropped} counts them later.
     *
     * @return the number of dropped events
     */
    long drop(Connection connection, long bytes, long before) throws SQLException {
        EventTable.Dropped gone = EventTable.drop(connection, position.floor(), bytes, before, bootId);
        if (gone.events() > 0) {
            backlog = new EventTable.Backlog(
                    backlog.events() - gone.rows(), backlog.bytes() - gone.bytes(), oldest(connection));
        }
        return gone.events();
    }

    /** Counts events whose drop was committed; must be called on the store's thread. */
    void countDropped(long events) {
        dropped += events;
    }

    /** Deletes the oldest delivered events, see {@link EventTable#deleteDelivered}. */
    void deleteDelivered(Connection connection, long bytes, long before) throws SQLException {
        // Subtracted, not recounted: the sum over a large log every second blocked all other writes.
        deliveredBytes -= EventTable.deleteDelivered(connection, position.delivered(), bytes, before);
    }

    <T> CompletableFuture<T> write(Store.Work<T> work) {
        return write(work, (done, failure) -> { });
    }

    /**
     * Writes to the store. A GAP that is due is written before the work runs.
     *
     * @param then is called on the store's thread with the result or the failure, before the next write begins
     */
    <T> CompletableFuture<T> write(Store.Work<T> work, BiConsumer<? super T, Throwable> then) {
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
            appended.run();
        }
        if (failure != null && !failing) {
            LOG.error("events cannot be written, new ones are counted in an event GAP: {}", failure.getMessage());
        } else if (failure == null && failing) {
            LOG.warn("events are written again");
        }
        failing = failure != null;
    }

    private void restore(Gap reported) {
        if (reported != null) {
            unwritten.add(reported);
        }
    }

    /**
     * Inserts an event. Numbers are assigned here, one write after the other: an event with a smaller number is never
     * committed later.
     */
    private Event insert(Connection connection, long time, String endpoint, String name, String data)
            throws SQLException {
        long number = ++seq;
        return insert(connection, new Event(bootId + "-" + number, number, server, bootId, time, name, endpoint, data));
    }

    private Event insert(Connection connection, Event event) throws SQLException {
        long running = store.runningMillis();
        EventTable.insert(connection, event, running);
        if (hasWebhook) {
            EventTable.Backlog was = backlog;
            backlog = new EventTable.Backlog(was.events() + 1, was.bytes() + event.size(),
                    was.events() == 0 ? running : was.oldest());
        } else {
            deliveredBytes += event.size();
        }
        return event;
    }

    private void count(Connection connection) throws SQLException {
        backlog = EventTable.backlog(connection, position.delivered());
        deliveredBytes = EventTable.backlog(connection, 0).bytes() - backlog.bytes();
        uncertain = false;
    }

    private long oldest(Connection connection) throws SQLException {
        Long oldest = EventTable.oldest(connection, position.delivered(), Long.MAX_VALUE);
        return oldest == null ? store.runningMillis() : oldest;
    }
}
