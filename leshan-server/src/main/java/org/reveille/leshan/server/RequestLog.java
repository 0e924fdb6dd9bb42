package org.reveille.leshan.server;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ids of requests and what became of them, on disk for a day: an id is committed before its CoAP request leaves, and
 * never leaves again. Times are milliseconds since the epoch.
 */
final class RequestLog {
    /** How long an id is known. */
    static final long HISTORY_S = TimeUnit.DAYS.toSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(RequestLog.class);
    private static final Pattern ID = Pattern.compile("(?!\\.{1,2}/)[\\w.~:-]{1,100}/(?!\\.{1,2}$)[\\w.~:-]{1,100}");
    /** So many ids are known at most: a day of 230 calls a second. */
    static final long MOST = 20_000_000;
    private static final long PRUNE_EVERY_MS = TimeUnit.SECONDS.toMillis(10);
    /** In proportion to what comes: a fixed number each 10 s fell behind a busy server, without end. */
    private static final int PRUNE_EVERY = 500;
    private static final int PRUNED_PER_BEGUN = 2;
    private static final int PRUNED_AT_LEAST = 1_000;
    private static final String TABLE = """
            CREATE TABLE IF NOT EXISTS requests (
              id TEXT PRIMARY KEY, endpoint TEXT, path TEXT, digest TEXT, state TEXT NOT NULL, received_at INTEGER NOT NULL,
              finished_at INTEGER, delivery TEXT, status INTEGER, content_type TEXT, body TEXT)""";

    private final Store store;
    private final RequestResults results;
    private final LongSupplier clock;
    private final long most;
    private final Set<String> lost = ConcurrentHashMap.newKeySet();
    /** Of the store's own thread. */
    private long prunedAt;
    private int begun;

    private RequestLog(Store store, RequestResults results, LongSupplier clock, long most) {
        this.store = store;
        this.results = results;
        this.clock = clock;
        this.most = most;
    }

    /** Opens the log; calls that were open when the server stopped are INTERRUPTED from now on, and that is told. */
    static RequestLog open(Store store, RequestResults results, LongSupplier clock) {
        return open(store, results, clock, MOST);
    }

    /** @param most how many ids are known at most */
    static RequestLog open(Store store, RequestResults results, LongSupplier clock, long most) {
        RequestLog log = new RequestLog(store, results, clock, most);
        store.write(log::interrupt).join();
        return log;
    }

    /** Whether a text can be an id: two segments that are safe in a path. */
    static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    /** Keeps a new id. Completes, once that is on disk, with null, or with what is known of the id already. */
    CompletableFuture<RequestEntry> begin(RequestEntry entry) {
        return store.write(connection -> {
            prune(connection);
            return insert(connection, entry) ? null : find(connection, entry.id());
        });
    }

    /**
     * Keeps what came of a request, or forgets its id when the call was refused before anything was sent.
     *
     * @return completes with the answer when that is on disk; also when the disk fails, after which the id is told as
     *     INTERRUPTED
     */
    CompletableFuture<HttpAnswer> end(RequestEntry entry, HttpAnswer answer, Delivery delivery) {
        return store.write(connection -> {
            if (isKept(answer)) {
                finish(connection, entry.id(), answer.asJson(), delivery);
            } else {
                update(connection, "DELETE FROM requests WHERE id = ?", entry.id());
            }
            return answer;
        }).exceptionally(unwritten -> {
            LOG.error("the result of {} could not be kept", entry.id(), unwritten);
            lost.add(entry.id());
            return answer;
        });
    }

    /** Refuses an id from now on, unless it has come already. Completes with what is known of it, null for nothing. */
    CompletableFuture<RequestEntry> close(String id) {
        return store.write(connection -> {
            update(connection, "INSERT INTO requests (id, state, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    id, RequestEntry.State.CLOSED.name(), clock.getAsLong());
            return asTold(find(connection, id));
        });
    }

    /** What is known of an id, or null. */
    RequestEntry find(String id) throws SQLException {
        return asTold(store.read(connection -> find(connection, id)));
    }

    /** What could not be written stands on the disk as if it ran. */
    private RequestEntry asTold(RequestEntry entry) {
        return entry != null && lost.contains(entry.id()) ? entry.interrupted() : entry;
    }

    /** A call that was refused before anything was sent may be tried again under its id. */
    static boolean isKept(HttpAnswer answer) {
        Failure failure = answer.failure();
        return failure == null || failure.code().isResult() || failure.delivery() != Delivery.NOT_SENT;
    }

    private boolean insert(Connection connection, RequestEntry entry) throws SQLException {
        return 0 < update(connection, "INSERT INTO requests (id, endpoint, path, digest, state, received_at) "
                + "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", entry.id(), entry.endpoint(), entry.path(),
                entry.digest(), entry.state().name(), clock.getAsLong());
    }

    private void finish(Connection connection, String id, HttpAnswer answer, Delivery delivery) throws SQLException {
        update(connection, "UPDATE requests SET state = ?, finished_at = ?, delivery = ?, status = ?, content_type = ?, "
                + "body = ? WHERE id = ?", RequestEntry.State.DONE.name(), clock.getAsLong(), delivery.name(), answer.status(),
                answer.contentType(), answer.body(), id);
        tell(connection, id);
    }

    private Void interrupt(Connection connection) throws SQLException {
        update(connection, TABLE);
        update(connection, "CREATE INDEX IF NOT EXISTS requests_by_age ON requests (received_at)");
        List<String> open = new ArrayList<>();
        try (Statement query = connection.createStatement();
                ResultSet rows = query.executeQuery("SELECT id FROM requests WHERE state = 'RUNNING'")) {
            while (rows.next()) {
                open.add(rows.getString(1));
            }
        }
        for (String id : open) {
            update(connection, "UPDATE requests SET state = ?, finished_at = ?, delivery = ? WHERE id = ?",
                    RequestEntry.State.INTERRUPTED.name(), clock.getAsLong(), Delivery.MAY_HAVE_REACHED.name(), id);
            tell(connection, id);
        }
        return null;
    }

    private void tell(Connection connection, String id) throws SQLException {
        RequestEntry entry = find(connection, id);
        results.told(connection, entry.endpoint(), entry.event());
    }

    private void prune(Connection connection) throws SQLException {
        long now = clock.getAsLong();
        begun++;
        if (begun < PRUNE_EVERY && now - prunedAt < PRUNE_EVERY_MS) {
            return;
        }
        // In pieces: after a busy day a single statement would hold up all that want to write.
        int piece = Math.max(PRUNED_AT_LEAST, PRUNED_PER_BEGUN * begun);
        prunedAt = now;
        begun = 0;
        delete(connection, "received_at < ? AND state <> 'RUNNING' ORDER BY received_at",
                now - TimeUnit.SECONDS.toMillis(HISTORY_S), piece);
        delete(connection, "rowid <= (SELECT max(rowid) FROM requests) - ? AND state <> 'RUNNING' ORDER BY rowid",
                most, piece);
    }

    private static void delete(Connection connection, String which, long bound, int piece) throws SQLException {
        String rows = "SELECT rowid FROM requests WHERE " + which + " LIMIT ?";
        update(connection, "DELETE FROM requests WHERE rowid IN (" + rows + ")", bound, piece);
    }

    private static RequestEntry find(Connection connection, String id) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT * FROM requests WHERE id = ?")) {
            query.setString(1, id);
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? entry(row) : null;
            }
        }
    }

    private static RequestEntry entry(ResultSet row) throws SQLException {
        long finishedAt = row.getLong("finished_at");
        boolean finished = !row.wasNull();
        int status = row.getInt("status");
        boolean answered = !row.wasNull();
        return new RequestEntry(row.getString("id"), row.getString("endpoint"), row.getString("path"), row.getString("digest"),
                RequestEntry.State.valueOf(row.getString("state")), row.getLong("received_at"), finished ? finishedAt : null,
                row.getString("delivery"), answered ? status : null, row.getString("content_type"),
                row.getString("body"));
    }

    private static int update(Connection connection, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            return statement.executeUpdate();
        }
    }
}
