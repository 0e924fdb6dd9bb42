package org.reveille.leshan.store;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.LongConsumer;
import org.sqlite.SQLiteConfig;

/**
 * The server's state on disk: one SQLite file, write-ahead log, {@code synchronous=FULL}, one writer.
 *
 * <p>Writes that wait at the same time are committed together (group commit), in the order in which they were
 * requested. A user of the store creates its tables with {@code CREATE TABLE IF NOT EXISTS} in a write of its own. One
 * process per file.
 *
 * <p>A group that fails (full disk, file locked by another connection) is rolled back as a whole, and the next one
 * begins its own transaction, so the store works again as soon as the disk does.
 */
public final class Store implements AutoCloseable {
    /** SQL statements that are executed as a unit. They neither commit nor roll back. */
    @FunctionalInterface
    public interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    /** A write that waits: its work and its callbacks. */
    private record Waiting<T>(Work<T> work, BiConsumer<? super T, Throwable> ended, CompletableFuture<T> future) {
        Done<T> run(Connection connection) throws SQLException {
            execute(connection, "SAVEPOINT work");
            try {
                T result = work.run(connection);
                execute(connection, "RELEASE work");
                return new Done<>(this, result);
            } catch (SQLException | RuntimeException | Error refused) {
                if (!undo(connection)) {
                    throw refused;
                }
                fail(refused);
                return null;
            }
        }

        /**
         * Rolls back to the savepoint. Without its savepoint SQLite has ended the whole transaction, and the group has
         * failed with it.
         */
        private static boolean undo(Connection connection) {
            try {
                execute(connection, "ROLLBACK TO work");
                execute(connection, "RELEASE work");
                return true;
            } catch (SQLException ended) {
                return false;
            }
        }

        void fail(Throwable failure) {
            if (future.isDone()) {
                return;
            }
            try {
                ended.accept(null, failure);
            } catch (RuntimeException unforeseen) {
                failure.addSuppressed(unforeseen);
            }
            future.completeExceptionally(failure);
        }

        void succeed(T result) {
            try {
                ended.accept(result, null);
                future.complete(result);
            } catch (RuntimeException unforeseen) {
                future.completeExceptionally(unforeseen);
            }
        }
    }

    /** A write that waits for the commit of its group. */
    private record Done<T>(Waiting<T> waiting, T result) {
        void succeed() {
            waiting.succeed(result);
        }
    }

    private static final int MOST_TOGETHER = 1_000;
    private static final int BUSY_TIMEOUT_MS = 10_000;
    /** Interval at which the running time is stored. A crash makes all ages smaller by at most this interval. */
    private static final long SAVE_RUNNING_TIME_NS = TimeUnit.MINUTES.toNanos(1);
    private static final Waiting<Void> END =
            new Waiting<>(connection -> null, (done, failure) -> { }, new CompletableFuture<>());

    private final BlockingQueue<Waiting<?>> waiting = new LinkedBlockingQueue<>();
    private final Path file;
    private final FileLock lock;
    private final Connection forReading;
    private final Thread writer = new Thread(this::write, "store");
    private final long openedAt = System.nanoTime();
    private final long ranBefore;
    private volatile LongConsumer latency = nanos -> { };
    private boolean closed;

    // Used by the writer's thread only.
    /** In autocommit mode: only statements of this class begin and end transactions. Null: must be reopened. */
    private Connection forWriting;
    private long runningTimeSavedAt = openedAt;

    /**
     * Opens the file and creates it, with its folder, if it is missing.
     *
     * @throws IOException if it cannot be opened, or another process has locked it
     */
    public Store(Path file) throws IOException {
        this.file = file;
        Files.createDirectories(file.toAbsolutePath().getParent());
        lock = lock(file.resolveSibling(file.getFileName() + ".lock"));
        try {
            makePrivate(file);
            forWriting = open(file);
            execute(forWriting, "CREATE TABLE IF NOT EXISTS running_time "
                    + "(one INTEGER PRIMARY KEY CHECK (one = 1), millis INTEGER NOT NULL)");
            forReading = open(file);
            ranBefore = ranBefore(forReading);
        } catch (SQLException e) {
            lock.channel().close();
            throw new IOException("cannot open " + file + ": " + e.getMessage(), e);
        }
        writer.start();
    }

    /**
     * Enqueues a write.
     *
     * @return completes when the commit that contains the write is on disk, on the writer's own thread: dependent
     *     actions on it must be short, and must not wait for another write. Fails with the exception of the work, which
     *     affects no other write, or with the failure of the commit, after which none of its changes exist
     */
    public <T> CompletableFuture<T> write(Work<T> work) {
        return write(work, (result, failure) -> { });
    }

    /**
     * Enqueues a write with a callback on the writer's own thread, which runs before any later write begins. (A
     * callback of the future can run later, and on the thread that adds it.)
     *
     * @param ended receives the result, or the failure; must be short. The future fails with the exception that it
     *     throws. Not called by a closed store
     */
    public <T> CompletableFuture<T> write(Work<T> work, BiConsumer<? super T, Throwable> ended) {
        CompletableFuture<T> future = new CompletableFuture<>();
        long requestedAt = System.nanoTime();
        future.whenComplete((result, failure) -> latency.accept(System.nanoTime() - requestedAt));
        synchronized (waiting) {
            if (closed) {
                future.completeExceptionally(new SQLException("the store is closed"));
            } else {
                waiting.add(new Waiting<>(work, ended, future));
            }
        }
        return future;
    }

    /**
     * Writes and waits for the commit: for the start of a program, and never on a thread that other tasks need.
     *
     * @throws IOException if the write failed
     */
    public <T> T writeNow(Work<T> work) throws IOException {
        try {
            return write(work).join();
        } catch (CompletionException unwritten) {
            throw new IOException(unwritten.getCause().getMessage(), unwritten.getCause());
        }
    }

    /**
     * Returns the total milliseconds for which processes have had this file open: a measure of age that does not depend
     * on changes of the system's clock. Time between two processes does not count, nor up to a minute before a crash.
     */
    public long runningMillis() {
        return ranBefore + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - openedAt);
    }

    /**
     * Adds a column to a table that an earlier version has created without it.
     *
     * @param definition name, type and constraints, as after {@code ADD COLUMN}
     */
    public static void addColumn(Connection connection, String table, String definition) throws SQLException {
        String name = definition.substring(0, definition.indexOf(' '));
        if (!isColumn(connection, table, name)) {
            execute(connection, "ALTER TABLE " + table + " ADD COLUMN " + definition);
        }
    }

    /** Sets the receiver of the nanoseconds that each later write took until it was committed or had failed. */
    public void onWrite(LongConsumer latency) {
        this.latency = latency;
    }

    /** Reads committed data, on the caller's thread; readers take turns and do not wait for the writer. */
    public <T> T read(Work<T> work) throws SQLException {
        synchronized (forReading) {
            return work.run(forReading);
        }
    }

    /** Executes the waiting writes, then closes the file. A second call does nothing. */
    @Override
    public void close() throws SQLException, IOException, InterruptedException {
        synchronized (waiting) {
            if (closed) {
                return;
            }
            closed = true;
            waiting.add(END);
        }
        writer.join();
        synchronized (forReading) {
            forReading.close();
        }
        if (forWriting != null) {
            forWriting.close();
        }
        lock.channel().close();
    }

    private void write() {
        List<Waiting<?>> group = new ArrayList<>();
        do {
            group.clear();
            group.add(take());
            waiting.drainTo(group, MOST_TOGETHER - 1);
            commit(group);
        } while (group.get(group.size() - 1) != END);
    }

    private Waiting<?> take() {
        while (true) {
            try {
                return waiting.take();
            } catch (InterruptedException notForUs) {
                // Only close() ends the thread: waiting writes must be executed.
            }
        }
    }

    private void commit(List<Waiting<?>> group) {
        List<Done<?>> done = new ArrayList<>(group.size());
        try {
            begin(group);
            for (Waiting<?> member : group) {
                Done<?> one = member.run(forWriting);
                if (one != null) {
                    done.add(one);
                }
            }
            execute(forWriting, "COMMIT");
        } catch (SQLException | RuntimeException | Error failure) {
            rollBack();
            group.forEach(member -> member.fail(failure));
            return;
        }
        done.forEach(Done::succeed);
        saveRunningTime(group.get(group.size() - 1) == END);
    }

    /** Begins a transaction. If that fails, all waiting writes fail, because their number would otherwise grow without limit. */
    private void begin(List<Waiting<?>> group) throws SQLException {
        try {
            if (forWriting == null) {
                forWriting = open(file);
            }
            execute(forWriting, "BEGIN IMMEDIATE");
        } catch (SQLException lockedOrUnusable) {
            waiting.drainTo(group);
            throw lockedOrUnusable;
        }
    }

    /**
     * Ends the transaction, if there is one. SQLite may have ended it by itself after SQLITE_FULL or SQLITE_IOERR
     * (sqlite.org/lang_transaction.html, "Response to errors within a transaction"), and then refuses to roll back, as
     * it does if no transaction could be begun: in any such case a new connection has a known state.
     */
    private void rollBack() {
        if (forWriting == null) {
            return;
        }
        try {
            execute(forWriting, "ROLLBACK");
        } catch (SQLException unknownState) {
            closeForWriting();
        }
    }

    private void closeForWriting() {
        try {
            forWriting.close();
        } catch (SQLException unusable) {
            // Its transaction ends with its file descriptors at the latest; a new one is opened in any case.
        }
        forWriting = null;
    }

    private void saveRunningTime(boolean last) {
        long now = System.nanoTime();
        if (!last && now - runningTimeSavedAt < SAVE_RUNNING_TIME_NS) {
            return;
        }
        try {
            execute(forWriting, "INSERT OR REPLACE INTO running_time VALUES (1, " + runningMillis() + ")");
            runningTimeSavedAt = now;
        } catch (SQLException unwritten) {
            // The next group retries.
        }
    }

    private static long ranBefore(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT coalesce(max(millis), 0) FROM running_time")) {
            row.next();
            return row.getLong(1);
        }
    }

    private static boolean isColumn(Connection connection, String table, String name) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(
                        "SELECT 1 FROM pragma_table_info('" + table + "') WHERE name = '" + name + "'")) {
            return row.next();
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static Connection open(Path file) throws SQLException {
        SQLiteConfig config = new SQLiteConfig();
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
        config.setBusyTimeout(BUSY_TIMEOUT_MS);
        return config.createConnection("jdbc:sqlite:" + file);
    }

    /**
     * Creates the file as readable by its owner only, since it contains devices' keys. SQLite creates the files beside
     * it with the same permissions.
     */
    private static void makePrivate(Path file) throws IOException {
        if (Files.notExists(file)) {
            Files.createFile(file);
        }
        PosixFileAttributeView rights = Files.getFileAttributeView(file, PosixFileAttributeView.class);
        if (rights != null) {
            rights.setPermissions(PosixFilePermissions.fromString("rw-------"));
        }
    }

    private static FileLock lock(Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock != null) {
                return lock;
            }
        } catch (OverlappingFileLockException ours) {
            // This process has already opened it, which is the same error.
        }
        channel.close();
        throw new IOException("another process has " + file + " locked");
    }
}
