package org.reveille.leshan.events;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

/**
 * The events on disk, in the order of their numbers: up to {@code delivered} they are a log for replay, up to
 * {@code batch} they are in the current post, above that they wait.
 *
 * <p>{@code time} is the system's clock, for display. Ages are measured by {@code running}, see
 * {@link Store#runningMillis}: a clock that is set ahead causes no drops.
 */
final class EventTable {
    private static final int MOST_REFUSED = 10_000;

    /** The events above {@code delivered}; {@code oldest} is a running time. */
    record Backlog(long events, long bytes, long oldest) {
    }

    /** The result of a drop: the number of dropped events, and the net decrease of rows and bytes, with the GAP counted. */
    record Dropped(long events, long rows, long bytes) {
    }

    /** Position of the delivery. */
    record Position(long delivered, long batch) {
        long floor() {
            return Math.max(delivered, batch);
        }
    }

    private final String server;

    /**
     * Creates a table.
     *
     * @param server the name that each event contains
     */
    EventTable(String server) {
        this.server = server;
    }

    /** Creates the tables. AUTOINCREMENT prevents that a number is reused after the newest rows are deleted. */
    static Void create(Connection connection) throws SQLException {
        run(connection, "CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, "
                + "boot TEXT NOT NULL, time INTEGER NOT NULL, name TEXT NOT NULL, ep TEXT, data TEXT NOT NULL, "
                + "bytes INTEGER NOT NULL, running INTEGER NOT NULL DEFAULT 0)");
        Store.addColumn(connection, "event", "running INTEGER NOT NULL DEFAULT 0");
        run(connection, "CREATE TABLE IF NOT EXISTS event_refused (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, "
                + "status INTEGER NOT NULL, answer TEXT, envelope TEXT NOT NULL)");
        run(connection, "CREATE TABLE IF NOT EXISTS event_place (one INTEGER PRIMARY KEY CHECK (one = 1), "
                + "delivered INTEGER NOT NULL, batch INTEGER NOT NULL)");
        run(connection, "INSERT OR IGNORE INTO event_place VALUES (1, 0, 0)");
        return null;
    }

    static long lastSeq(Connection connection) throws SQLException {
        return number(connection, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'");
    }

    static long countRefused(Connection connection) throws SQLException {
        return number(connection, "SELECT count(*) FROM event_refused");
    }

    /**
     * Inserts an event.
     *
     * @param running running time of the store when the event happened
     */
    static void insert(Connection connection, Event event, long running) throws SQLException {
        run(connection, "INSERT INTO event (seq, id, boot, time, name, ep, data, bytes, running) "
                + "VALUES (?,?,?,?,?,?,?,?,?)", event.seq(), event.id(), event.bootId(), event.time(), event.name(),
                event.endpoint(), event.data(), event.size(), running);
    }

    static Position position(Connection connection) throws SQLException {
        try (PreparedStatement sql = connection.prepareStatement("SELECT delivered, batch FROM event_place");
                ResultSet row = sql.executeQuery()) {
            row.next();
            return new Position(row.getLong(1), row.getLong(2));
        }
    }

    static void position(Connection connection, Position position) throws SQLException {
        run(connection, "UPDATE event_place SET delivered = ?, batch = ?", position.delivered(), position.batch());
    }

    static Backlog backlog(Connection connection, long delivered) throws SQLException {
        try (PreparedStatement sql = prepared(connection,
                "SELECT count(*), coalesce(sum(bytes), 0), min(running) FROM event WHERE seq > ?", delivered);
                ResultSet row = sql.executeQuery()) {
            row.next();
            return new Backlog(row.getLong(1), row.getLong(2), row.getLong(3));
        }
    }

    static boolean has(Connection connection, long seq) throws SQLException {
        try (PreparedStatement sql = prepared(connection, "SELECT 1 FROM event WHERE seq = ?", seq);
                ResultSet row = sql.executeQuery()) {
            return row.next();
        }
    }

    /**
     * Returns the running time of the first event with {@code after < seq <= last} that is not a GAP, or null if there
     * is none.
     */
    static Long oldest(Connection connection, long after, long last) throws SQLException {
        try (PreparedStatement sql = prepared(connection, "SELECT running FROM event WHERE seq > ? AND seq <= ? "
                + "AND name <> 'GAP' ORDER BY seq LIMIT 1", after, last);
                ResultSet row = sql.executeQuery()) {
            return row.next() ? row.getLong(1) : null;
        }
    }

    /** Returns events with {@code after < seq <= last}: at least one if one exists, and not more than both limits allow. */
    List<Event> read(Connection connection, long after, long last, int most, long mostBytes) throws SQLException {
        List<Event> events = new ArrayList<>();
        long bytes = 0;
        try (PreparedStatement sql = prepared(connection, "SELECT id, seq, boot, time, name, ep, data, bytes "
                + "FROM event WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", after, last, most);
                ResultSet row = sql.executeQuery()) {
            while (row.next()) {
                bytes += row.getLong(8);
                if (bytes > mostBytes && !events.isEmpty()) {
                    break;
                }
                events.add(new Event(row.getString(1), row.getLong(2), server, row.getString(3), row.getLong(4),
                        row.getString(5), row.getString(6), row.getString(7)));
            }
        }
        return events;
    }

    /** Stores an event that the receiver refuses, separately from the others. If there are too many, the newest are kept. */
    static void insertRefused(Connection connection, Event event, int status, String answer) throws SQLException {
        run(connection, "INSERT OR REPLACE INTO event_refused VALUES (?, ?, ?, ?, ?)", event.seq(),
                System.currentTimeMillis(), status, answer, event.envelope());
        run(connection, "DELETE FROM event_refused WHERE seq <= "
                + "(SELECT seq FROM event_refused ORDER BY seq DESC LIMIT 1 OFFSET ?)", MOST_REFUSED);
    }

    /**
     * Returns events that were set aside, the oldest first: those since a time, as many as fit.
     *
     * @param from milliseconds since the epoch
     * @param room bytes, see {@link Event#size}
     */
    static List<Event> selectRefused(Connection connection, long from, long room) throws SQLException {
        List<Event> events = new ArrayList<>();
        long bytes = 0;
        try (PreparedStatement sql = prepared(connection, "SELECT envelope FROM event_refused ORDER BY seq");
                ResultSet row = sql.executeQuery()) {
            while (row.next()) {
                Event event = event(row.getString(1));
                if (event.time() < from) {
                    continue;
                }
                bytes += event.size();
                if (bytes > room) {
                    break;
                }
                events.add(event);
            }
        }
        return events;
    }

    private static Event event(String envelope) throws SQLException {
        try {
            return Event.read(Json.read(envelope));
        } catch (JsonProcessingException unreadable) {
            throw new SQLException("an event that was set aside cannot be read", unreadable);
        }
    }

    static void deleteRefused(Connection connection, long seq) throws SQLException {
        run(connection, "DELETE FROM event_refused WHERE seq = ?", seq);
    }

    /**
     * Deletes all waiting AWAKE and SLEEPING events of an endpoint except the newest, since only that one is relevant.
     * A redelivered event has a new number but is old: it neither counts as the newest nor is deleted.
     */
    static void coalescePresence(Connection connection, long floor) throws SQLException {
        String presence = "seq > ? AND name IN ('AWAKE', 'SLEEPING') AND id = boot || '-' || seq";
        run(connection, "DELETE FROM event WHERE " + presence + " AND seq NOT IN (SELECT max(seq) FROM event WHERE "
                + presence + " GROUP BY ep)", floor, floor);
    }

    /**
     * Drops the oldest waiting events and replaces them by one event GAP, which also includes the counts of earlier
     * GAPs there.
     *
     * @param floor the number up to which events must not be changed
     * @param bytes the number of bytes to drop
     * @param before running time: older events are dropped too
     */
    static Dropped drop(Connection connection, long floor, long bytes, long before, String bootId) throws SQLException {
        Gap gap = new Gap();
        long events = 0;
        long rows = 0;
        long gone = 0;
        long last = 0;
        long running = 0;
        try (PreparedStatement sql = prepared(connection,
                "SELECT seq, running, name, time, data, bytes FROM event WHERE seq > ? ORDER BY seq", floor);
                ResultSet row = sql.executeQuery()) {
            while (row.next() && (gone < bytes || row.getLong(2) < before || Gap.NAME.equals(row.getString(3)))) {
                last = row.getLong(1);
                running = row.getLong(2);
                rows++;
                gone += row.getLong(6);
                if (Gap.NAME.equals(row.getString(3))) {
                    gap.add(row.getString(5));
                } else {
                    events++;
                    gap.add(row.getString(3), 1, row.getLong(4));
                }
            }
        }
        if (events == 0) {
            return new Dropped(0, 0, 0);
        }
        run(connection, "DELETE FROM event WHERE seq > ? AND seq <= ?", floor, last);
        Event event = new Event(bootId + "-gap-" + last, last, null, bootId, System.currentTimeMillis(), Gap.NAME, null,
                Json.write(gap.json()));
        insert(connection, event, running);
        return new Dropped(events, rows - 1, gone - event.size());
    }

    /**
     * Deletes the oldest events of the log until it is small and young enough. Returns the number of deleted bytes.
     *
     * @param before running time: older events are deleted
     */
    static long deleteDelivered(Connection connection, long delivered, long bytes, long before) throws SQLException {
        long gone = 0;
        long last = 0;
        try (PreparedStatement sql = prepared(connection,
                "SELECT seq, running, bytes FROM event WHERE seq <= ? ORDER BY seq", delivered);
                ResultSet row = sql.executeQuery()) {
            while (row.next() && (gone < bytes || row.getLong(2) < before)) {
                gone += row.getLong(3);
                last = row.getLong(1);
            }
        }
        run(connection, "DELETE FROM event WHERE seq <= ?", last);
        return gone;
    }

    private static long number(Connection connection, String query) throws SQLException {
        try (Statement sql = connection.createStatement(); ResultSet row = sql.executeQuery(query)) {
            row.next();
            return row.getLong(1);
        }
    }

    private static void run(Connection connection, String text, Object... values) throws SQLException {
        try (PreparedStatement sql = prepared(connection, text, values)) {
            sql.executeUpdate();
        }
    }

    private static PreparedStatement prepared(Connection connection, String text, Object... values)
            throws SQLException {
        PreparedStatement sql = connection.prepareStatement(text);
        for (int i = 0; i < values.length; i++) {
            sql.setObject(i + 1, values[i]);
        }
        return sql;
    }
}
