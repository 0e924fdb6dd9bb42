package org.reveille.leshan.events;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.reveille.leshan.json.Json;

/**
 * The events on disk, in the order of their numbers: up to {@code delivered} they are a log to replay from, up to
 * {@code batch} they are in the post that is under way, above they wait.
 */
final class EventTable {
    private static final int MOST_REFUSED = 10_000;

    /** What is above {@code delivered}. */
    record Backlog(long events, long bytes, long oldest) {
    }

    /** What dropping did: to how many events, and to the rows and bytes that there are, the GAP among them. */
    record Dropped(long events, long rows, long bytes) {
    }

    /** Where delivery stands. */
    record Place(long delivered, long batch) {
        long floor() {
            return Math.max(delivered, batch);
        }
    }

    private final String server;

    /** @param server the name that is told with each event */
    EventTable(String server) {
        this.server = server;
    }

    /** AUTOINCREMENT, so that a number is not used again when the newest rows are gone. */
    static Void create(Connection connection) throws SQLException {
        run(connection, "CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, "
                + "boot TEXT NOT NULL, time INTEGER NOT NULL, name TEXT NOT NULL, ep TEXT, data TEXT NOT NULL, "
                + "bytes INTEGER NOT NULL)");
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

    static long refused(Connection connection) throws SQLException {
        return number(connection, "SELECT count(*) FROM event_refused");
    }

    static void insert(Connection connection, Event event) throws SQLException {
        run(connection, "INSERT INTO event (seq, id, boot, time, name, ep, data, bytes) VALUES (?,?,?,?,?,?,?,?)",
                event.seq(), event.id(), event.bootId(), event.time(), event.name(), event.endpoint(), event.data(),
                event.size());
    }

    static Place place(Connection connection) throws SQLException {
        try (PreparedStatement sql = connection.prepareStatement("SELECT delivered, batch FROM event_place");
                ResultSet row = sql.executeQuery()) {
            row.next();
            return new Place(row.getLong(1), row.getLong(2));
        }
    }

    static void place(Connection connection, Place place) throws SQLException {
        run(connection, "UPDATE event_place SET delivered = ?, batch = ?", place.delivered(), place.batch());
    }

    static Backlog backlog(Connection connection, long delivered) throws SQLException {
        try (PreparedStatement sql = prepared(connection,
                "SELECT count(*), coalesce(sum(bytes), 0), min(time) FROM event WHERE seq > ?", delivered);
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

    /** The time of the first event with {@code after < seq <= last} that is no GAP, or null without any. */
    static Long oldest(Connection connection, long after, long last) throws SQLException {
        try (PreparedStatement sql = prepared(connection, "SELECT time FROM event WHERE seq > ? AND seq <= ? "
                + "AND name <> 'GAP' ORDER BY seq LIMIT 1", after, last);
                ResultSet row = sql.executeQuery()) {
            return row.next() ? row.getLong(1) : null;
        }
    }

    /** Events with {@code after < seq <= last}, at least one where there is one, then no more than both limits allow. */
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

    /** Keeps an event which the receiver refuses, apart from the others. Of very many the newest are kept. */
    static void setAside(Connection connection, Event event, int status, String answer) throws SQLException {
        run(connection, "INSERT OR REPLACE INTO event_refused VALUES (?, ?, ?, ?, ?)", event.seq(),
                System.currentTimeMillis(), status, answer, event.envelope());
        run(connection, "DELETE FROM event_refused WHERE seq <= "
                + "(SELECT seq FROM event_refused ORDER BY seq DESC LIMIT 1 OFFSET ?)", MOST_REFUSED);
    }

    /** Of the AWAKE and SLEEPING of an endpoint which wait, only the newest says something. */
    static void coalescePresence(Connection connection, long floor) throws SQLException {
        String presence = "seq > ? AND name IN ('AWAKE', 'SLEEPING')";
        run(connection, "DELETE FROM event WHERE " + presence + " AND seq NOT IN (SELECT max(seq) FROM event WHERE "
                + presence + " GROUP BY ep)", floor, floor);
    }

    /**
     * Drops the oldest events that wait, and puts one event GAP in their place, which also counts what an earlier GAP
     * there had counted.
     *
     * @param floor what may not be touched
     * @param bytes how much is to go
     * @param before milliseconds since the epoch: what is older goes too
     */
    static Dropped drop(Connection connection, long floor, long bytes, long before, String bootId) throws SQLException {
        Gap gap = new Gap();
        try (PreparedStatement sql = prepared(connection,
                "SELECT seq, time, name, data, bytes FROM event WHERE seq > ? ORDER BY seq", floor);
                ResultSet row = sql.executeQuery()) {
            while (row.next() && (gap.bytes < bytes || row.getLong(2) < before || "GAP".equals(row.getString(3)))) {
                gap.swallow(row);
            }
        }
        if (gap.events == 0) {
            return new Dropped(0, 0, 0);
        }
        run(connection, "DELETE FROM event WHERE seq > ? AND seq <= ?", floor, gap.last);
        String id = bootId + "-gap-" + gap.last;
        Event told =
                new Event(id, gap.last, null, bootId, System.currentTimeMillis(), "GAP", null, Json.write(gap.write()));
        insert(connection, told);
        return new Dropped(gap.events, gap.rows - 1, gap.bytes - told.size());
    }

    /** Forgets the oldest of the log until it is small and young enough. Returns how many bytes went. */
    static long forget(Connection connection, long delivered, long bytes, long before) throws SQLException {
        long gone = 0;
        long last = 0;
        try (PreparedStatement sql = prepared(connection,
                "SELECT seq, time, bytes FROM event WHERE seq <= ? ORDER BY seq", delivered);
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

    /** What was dropped, being counted. */
    private static final class Gap {
        private final Map<String, Long> byEvent = new TreeMap<>();
        private long events;
        private long rows;
        private long bytes;
        private long last;
        private long fromTime = Long.MAX_VALUE;
        private long toTime;

        void swallow(ResultSet row) throws SQLException {
            last = row.getLong(1);
            rows++;
            bytes += row.getLong(5);
            String name = row.getString(3);
            if ("GAP".equals(name)) {
                swallow(row.getString(4));
            } else {
                events++;
                byEvent.merge(name, 1L, Long::sum);
                during(row.getLong(2), row.getLong(2));
            }
        }

        private void swallow(String earlier) throws SQLException {
            try {
                JsonNode json = Json.read(earlier);
                json.get("byEvent").fields().forEachRemaining(
                        count -> byEvent.merge(count.getKey(), count.getValue().asLong(), Long::sum));
                during(json.get("fromTime").asLong(), json.get("toTime").asLong());
            } catch (JsonProcessingException unreadable) {
                throw new SQLException("an event GAP cannot be read", unreadable);
            }
        }

        private void during(long from, long to) {
            fromTime = Math.min(fromTime, from);
            toTime = Math.max(toTime, to);
        }

        ObjectNode write() {
            ObjectNode json = Json.object().put("dropped", byEvent.values().stream().mapToLong(n -> n).sum());
            ObjectNode counts = json.putObject("byEvent");
            byEvent.forEach(counts::put);
            return json.put("fromTime", fromTime).put("toTime", toTime);
        }
    }
}
