package org.reveille.leshan.server;

import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log of request ids and their results, on disk for a day: an id is committed before its CoAP request is sent, and
 * is never sent again. Times are milliseconds since the epoch, for display; the day is measured by
 * {@link Store#runningMillis}: a clock that is set ahead must not cause an id to be forgotten and sent twice.
 *
 * <p>A result that cannot be written (full disk, locked file) is kept in memory, reported from there, and written as
 * soon as possible. Its id is INTERRUPTED only if the process ends before.
 */
final class RequestLog {
    /** How long an id is stored. */
    static final long HISTORY_S = TimeUnit.DAYS.toSeconds(1);

    private static final Logger LOG = LoggerFactory.getLogger(RequestLog.class);
    private static final Pattern ID = Pattern.compile("(?!\\.{1,2}/)[\\w.~:-]{1,100}/(?!\\.{1,2}$)[\\w.~:-]{1,100}");
    /** Maximum number of stored ids: a day of 230 calls per second. */
    static final long MOST = 20_000_000;
    private static final long PRUNE_EVERY_MS = TimeUnit.SECONDS.toMillis(10);
    /** In proportion to the load: a fixed number every 10 s fell behind a busy server without limit. */
    private static final int PRUNE_EVERY = 500;
    private static final int PRUNED_PER_BEGUN = 2;
    private static final int PRUNED_AT_LEAST = 1_000;
    private static final String TABLE = """
            CREATE TABLE IF NOT EXISTS requests (
              id TEXT PRIMARY KEY, endpoint TEXT, path TEXT, digest TEXT, state TEXT NOT NULL, received_at INTEGER NOT NULL,
              finished_at INTEGER, delivery TEXT, status INTEGER, content_type TEXT, body TEXT,
              running INTEGER NOT NULL DEFAULT 0)""";
    /**
     * Each may have some hundred kilobytes. Beyond this number, only the fact that a request may have reached its
     * device is kept.
     */
    private static final int MOST_UNWRITTEN = 1_000;
    private static final Executor A_SECOND_LATER = CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS);

    /** The result of a request. */
    private static final class Result {
        private final String id;
        private final HttpAnswer answer;
        private final Delivery delivery;
        /** Used by the store's thread only: a repeat must not write the row again, which a new call may own by then. */
        private boolean written;

        Result(String id, HttpAnswer answer, Delivery delivery) {
            this.id = id;
            this.answer = answer;
            this.delivery = delivery;
        }
    }

    private final Store store;
    private final RequestResults results;
    private final LongSupplier age;
    private final long most;
    private final Map<String, Result> unwritten = new ConcurrentHashMap<>();
    private final AtomicBoolean retrying = new AtomicBoolean();
    /** Used by the store's own thread only. */
    private long prunedAt;
    private int begun;

    private RequestLog(Store store, RequestResults results, LongSupplier age, long most) {
        this.store = store;
        this.results = results;
        this.age = age;
        this.most = most;
    }

    /**
     * Opens the log; calls that were open when the server stopped become INTERRUPTED, and this is published.
     *
     * @param age milliseconds by which the day is measured, see {@link Store#runningMillis}
     * @throws IOException if the store cannot be written
     */
    static RequestLog open(Store store, RequestResults results, LongSupplier age) throws IOException {
        return open(store, results, age, MOST);
    }

    /**
     * Opens the log with a limit.
     *
     * @param most maximum number of stored ids
     */
    static RequestLog open(Store store, RequestResults results, LongSupplier age, long most) throws IOException {
        RequestLog log = new RequestLog(store, results, age, most);
        store.writeNow(log::interrupt);
        return log;
    }

    /** Returns whether a text can be an id: two segments that are safe in a path. */
    static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    /** Stores a new id. Completes, once it is on disk, with null, or with the existing entry of the id. */
    CompletableFuture<RequestEntry> begin(RequestEntry entry) {
        Result earlier = unwritten.get(entry.id());
        if (earlier != null) {
            write(earlier);
        }
        return store.write(connection -> {
            prune(connection);
            if (insert(connection, entry)) {
                return null;
            }
            RequestEntry known = find(connection, entry.id());
            RequestEntry current = withUnwrittenResult(known);
            return current == null ? known : current;
        });
    }

    /**
     * Stores the result of a request, or deletes its id if the call was refused before anything was sent.
     *
     * @return completes with the answer once it is on disk; also if the disk fails, then it is written later
     */
    CompletableFuture<HttpAnswer> end(RequestEntry entry, HttpAnswer answer, Delivery delivery) {
        return write(new Result(entry.id(), answer, delivery)).exceptionally(failure -> null)
                .thenApply(done -> answer);
    }

    private CompletableFuture<Void> write(Result result) {
        return store.write(connection -> {
            if (!result.written) {
                write(connection, result);
                result.written = true;
            }
            return null;
        }, (done, failure) -> {
            if (failure == null) {
                unwritten.remove(result.id, result);
            } else {
                result.written = false;
                retain(result, failure);
            }
        });
    }

    private void write(Connection connection, Result result) throws SQLException {
        if (isStored(result.answer)) {
            finish(connection, result.id, result.answer.asJson(), result.delivery);
        } else {
            update(connection, "DELETE FROM requests WHERE id = ?", result.id);
        }
    }

    private void retain(Result result, Throwable failure) {
        if (!unwritten.containsKey(result.id)) {
            LOG.error("the result of {} cannot be written now, retrying: {}", result.id, failure.getMessage());
            boolean tooMany = unwritten.size() >= MOST_UNWRITTEN && isStored(result.answer);
            unwritten.put(result.id, !tooMany ? result
                    : new Result(result.id, RequestEntry.INTERRUPTED, Delivery.MAY_HAVE_REACHED));
        }
        retryLater();
    }

    private void retryLater() {
        if (!retrying.getAndSet(true)) {
            A_SECOND_LATER.execute(() -> {
                retrying.set(false);
                unwritten.values().forEach(this::write);
            });
        }
    }

    /** Refuses an id from now on, unless it is already known. Completes with the entry of the id, or null if there was none. */
    CompletableFuture<RequestEntry> close(String id) {
        return store.write(connection -> {
            update(connection, "INSERT INTO requests (id, state, received_at, running) VALUES (?, ?, ?, ?) "
                    + "ON CONFLICT DO NOTHING", id, RequestEntry.State.CLOSED.name(), System.currentTimeMillis(),
                    age.getAsLong());
            return withUnwrittenResult(find(connection, id));
        });
    }

    /** Returns the entry of an id, or null. */
    RequestEntry find(String id) throws SQLException {
        return withUnwrittenResult(store.read(connection -> find(connection, id)));
    }

    /** Returns an entry with its unwritten result, if any: on disk such a request is still RUNNING. */
    private RequestEntry withUnwrittenResult(RequestEntry entry) {
        Result result = entry == null ? null : unwritten.get(entry.id());
        if (result == null || entry.state() != RequestEntry.State.RUNNING) {
            return entry;
        }
        return isStored(result.answer)
                ? entry.done(System.currentTimeMillis(), result.delivery, result.answer.asJson()) : null;
    }

    /** Returns whether an answer is stored. A call that was refused before anything was sent may be retried under its id. */
    static boolean isStored(HttpAnswer answer) {
        Failure failure = answer.failure();
        return failure == null || failure.code().isResult() || failure.delivery() != Delivery.NOT_SENT;
    }

    private boolean insert(Connection connection, RequestEntry entry) throws SQLException {
        return 0 < update(connection, "INSERT INTO requests (id, endpoint, path, digest, state, received_at, running) "
                + "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", entry.id(), entry.endpoint(), entry.path(),
                entry.digest(), entry.state().name(), System.currentTimeMillis(), age.getAsLong());
    }

    private void finish(Connection connection, String id, HttpAnswer answer, Delivery delivery) throws SQLException {
        update(connection, "UPDATE requests SET state = ?, finished_at = ?, delivery = ?, status = ?, content_type = ?, "
                + "body = ? WHERE id = ?", RequestEntry.State.DONE.name(), System.currentTimeMillis(), delivery.name(),
                answer.status(), answer.contentType(), answer.body(), id);
        publish(connection, id);
    }

    private Void interrupt(Connection connection) throws SQLException {
        update(connection, TABLE);
        Store.addColumn(connection, "requests", "running INTEGER NOT NULL DEFAULT 0");
        update(connection, "DROP INDEX IF EXISTS requests_by_age");
        update(connection, "CREATE INDEX IF NOT EXISTS requests_by_running ON requests (running)");
        List<String> open = new ArrayList<>();
        try (Statement query = connection.createStatement();
                ResultSet rows = query.executeQuery("SELECT id FROM requests WHERE state = 'RUNNING'")) {
            while (rows.next()) {
                open.add(rows.getString(1));
            }
        }
        for (String id : open) {
            update(connection, "UPDATE requests SET state = ?, finished_at = ?, delivery = ? WHERE id = ?",
                    RequestEntry.State.INTERRUPTED.name(), System.currentTimeMillis(),
                    Delivery.MAY_HAVE_REACHED.name(), id);
            publish(connection, id);
        }
        return null;
    }

    private void publish(Connection connection, String id) throws SQLException {
        RequestEntry entry = find(connection, id);
        results.publish(connection, entry.endpoint(), entry.event());
    }

    private void prune(Connection connection) throws SQLException {
        long now = age.getAsLong();
        begun++;
        if (begun < PRUNE_EVERY && now - prunedAt < PRUNE_EVERY_MS) {
            return;
        }
        // In pieces: after a busy day a single statement would block all other writes.
        int piece = Math.max(PRUNED_AT_LEAST, PRUNED_PER_BEGUN * begun);
        prunedAt = now;
        begun = 0;
        delete(connection, "running < ? AND state <> 'RUNNING' ORDER BY running",
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
