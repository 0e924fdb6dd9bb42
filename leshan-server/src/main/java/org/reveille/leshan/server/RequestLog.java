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
 * The ids of requests and what became of them, on disk for a day: an id is committed before its CoAP request leaves, and
 * never leaves again. Times are milliseconds since the epoch, to be told; the day is counted by
 * {@link Store#runningMillis}: a clock that is set ahead must not have an id forgotten and sent twice.
 *
 * <p>A result that cannot be written (full disk, locked file) is kept in memory, told from there, and written as soon
 * as that works. Only when the process ends before is its id INTERRUPTED.
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
              finished_at INTEGER, delivery TEXT, status INTEGER, content_type TEXT, body TEXT,
              running INTEGER NOT NULL DEFAULT 0)""";
    /** Each may be some hundred kilobytes. Of more, no more is kept than that they may have reached their devices. */
    private static final int MOST_UNWRITTEN = 1_000;
    private static final Executor A_SECOND_LATER = CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS);

    /** What came of a request. */
    private static final class Result {
        private final String id;
        private final HttpAnswer answer;
        private final Delivery delivery;
        /** Of the store's thread: a repeat must not touch the row again, which a new call may have by then. */
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
    /** Of the store's own thread. */
    private long prunedAt;
    private int begun;

    private RequestLog(Store store, RequestResults results, LongSupplier age, long most) {
        this.store = store;
        this.results = results;
        this.age = age;
        this.most = most;
    }

    /**
     * Opens the log; calls that were open when the server stopped are INTERRUPTED from now on, and that is told.
     *
     * @param age milliseconds by which the day is counted, see {@link Store#runningMillis}
     * @throws IOException when the store cannot be written
     */
    static RequestLog open(Store store, RequestResults results, LongSupplier age) throws IOException {
        return open(store, results, age, MOST);
    }

    /** @param most how many ids are known at most */
    static RequestLog open(Store store, RequestResults results, LongSupplier age, long most) throws IOException {
        RequestLog log = new RequestLog(store, results, age, most);
        store.writeNow(log::interrupt);
        return log;
    }

    /** Whether a text can be an id: two segments that are safe in a path. */
    static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    /** Keeps a new id. Completes, once that is on disk, with null, or with what is known of the id already. */
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
            RequestEntry told = asTold(known);
            return told == null ? known : told;
        });
    }

    /**
     * Keeps what came of a request, or forgets its id when the call was refused before anything was sent.
     *
     * @return completes with the answer when that is on disk; also when the disk fails, then it is written later
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
                keep(result, failure);
            }
        });
    }

    private void write(Connection connection, Result result) throws SQLException {
        if (isKept(result.answer)) {
            finish(connection, result.id, result.answer.asJson(), result.delivery);
        } else {
            update(connection, "DELETE FROM requests WHERE id = ?", result.id);
        }
    }

    private void keep(Result result, Throwable failure) {
        if (!unwritten.containsKey(result.id)) {
            LOG.error("the result of {} cannot be written now, it is tried again: {}", result.id, failure.getMessage());
            boolean tooMany = unwritten.size() >= MOST_UNWRITTEN && isKept(result.answer);
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

    /** Refuses an id from now on, unless it has come already. Completes with what is known of it, null for nothing. */
    CompletableFuture<RequestEntry> close(String id) {
        return store.write(connection -> {
            update(connection, "INSERT INTO requests (id, state, received_at, running) VALUES (?, ?, ?, ?) "
                    + "ON CONFLICT DO NOTHING", id, RequestEntry.State.CLOSED.name(), System.currentTimeMillis(),
                    age.getAsLong());
            return asTold(find(connection, id));
        });
    }

    /** What is known of an id, or null. */
    RequestEntry find(String id) throws SQLException {
        return asTold(store.read(connection -> find(connection, id)));
    }

    /** What could not be written stands on the disk as if it ran. */
    private RequestEntry asTold(RequestEntry entry) {
        Result result = entry == null ? null : unwritten.get(entry.id());
        if (result == null || entry.state() != RequestEntry.State.RUNNING) {
            return entry;
        }
        return isKept(result.answer)
                ? entry.done(System.currentTimeMillis(), result.delivery, result.answer.asJson()) : null;
    }

    /** A call that was refused before anything was sent may be tried again under its id. */
    static boolean isKept(HttpAnswer answer) {
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
        tell(connection, id);
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
            tell(connection, id);
        }
        return null;
    }

    private void tell(Connection connection, String id) throws SQLException {
        RequestEntry entry = find(connection, id);
        results.told(connection, entry.endpoint(), entry.event());
    }

    private void prune(Connection connection) throws SQLException {
        long now = age.getAsLong();
        begun++;
        if (begun < PRUNE_EVERY && now - prunedAt < PRUNE_EVERY_MS) {
            return;
        }
        // In pieces: after a busy day a single statement would hold up all that want to write.
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
