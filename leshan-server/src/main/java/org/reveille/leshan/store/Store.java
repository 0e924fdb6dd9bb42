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
 * What the server keeps on disk: one SQLite file, write-ahead log, {@code synchronous=FULL}, one writer.
 *
 * <p>Writes that wait at the same time are committed together (group commit), in the order in which they were asked for.
 * Whoever needs tables makes them with {@code CREATE TABLE IF NOT EXISTS} in a write of its own. One process per file.
 *
 * <p>A group that fails (full disk, file locked by another connection) is rolled back as a whole and the next one begins
 * a transaction of its own, so the store works again as soon as the disk does.
 */
public final class Store implements AutoCloseable {
    /** SQL that is done as one. It neither commits nor rolls back. */
    @FunctionalInterface
    public interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    /** A write that waits: what it does, and who is told. */
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

        /** Without its savepoint SQLite has ended the whole transaction, and the group has failed with it. */
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

    /** A write whose commit is still to come. */
    private record Done<T>(Waiting<T> waiting, T result) {
        void tell() {
            waiting.succeed(result);
        }
    }

    private static final int MOST_TOGETHER = 1_000;
    private static final int BUSY_TIMEOUT_MS = 10_000;
    /** How often the running time is stored. A crash makes everything seem younger by this much at most. */
    private static final long KEEP_RUNNING_TIME_NS = TimeUnit.MINUTES.toNanos(1);
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

    // Of the writer's thread.
    /** In autocommit mode: transactions begin and end by statements of this class alone. Null: to be opened again. */
    private Connection forWriting;
    private long runningTimeKeptAt = openedAt;

    /**
     * Opens the file and makes it, with its folder, where it is missing.
     *
     * @throws IOException when it cannot be opened, or another process holds it
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
     * Writes soon.
     *
     * @return completes when the commit that holds the write is on disk, on the writer's own thread: what follows there
     *     must be short, and must not wait for another write. Fails with what the work threw, which harms no other
     *     write, or with the failure of the commit, after which nothing of it is there
     */
    public <T> CompletableFuture<T> write(Work<T> work) {
        return write(work, (result, failure) -> { });
    }

    /**
     * Writes soon, and calls back on the writer's own thread before any later write is begun. (A callback of the future
     * can come later, and on the thread that adds it.)
     *
     * @param ended gets the result, or the failure; must be short. What it throws is what the future fails with. Not
     *     called by a closed store
     */
    public <T> CompletableFuture<T> write(Work<T> work, BiConsumer<? super T, Throwable> ended) {
        CompletableFuture<T> future = new CompletableFuture<>();
        long asked = System.nanoTime();
        future.whenComplete((result, failure) -> latency.accept(System.nanoTime() - asked));
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
     * Writes and waits for the commit: for the start of a program, and never on a thread that others need.
     *
     * @throws IOException when it is not written
     */
    public <T> T writeNow(Work<T> work) throws IOException {
        try {
            return write(work).join();
        } catch (CompletionException unwritten) {
            throw new IOException(unwritten.getCause().getMessage(), unwritten.getCause());
        }
    }

    /**
     * Milliseconds for which processes have had this file open, all of them together: a measure of age that no change
     * of the system's clock moves. Time between two processes does not count, nor up to a minute before a crash.
     */
    public long runningMillis() {
        return ranBefore + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - openedAt);
    }

    /**
     * Adds a column to a table that an earlier version has made without it.
     *
     * @param definition name, type and constraints, as after {@code ADD COLUMN}
     */
    public static void addColumn(Connection connection, String table, String definition) throws SQLException {
        String name = definition.substring(0, definition.indexOf(' '));
        if (!isColumn(connection, table, name)) {
            execute(connection, "ALTER TABLE " + table + " ADD COLUMN " + definition);
        }
    }

    /** Sets what receives the nanoseconds that each write took from here on, until it was committed or had failed. */
    public void onWrite(LongConsumer latency) {
        this.latency = latency;
    }

    /** Reads what has been committed, on the caller's thread; readers take turns and do not wait for the writer. */
    public <T> T read(Work<T> work) throws SQLException {
        synchronized (forReading) {
            return work.run(forReading);
        }
    }

    /** Writes what waits, then closes the file. A second call does nothing. */
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
                // It ends with close() alone: what waits has to be written.
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
        done.forEach(Done::tell);
        keepRunningTime(group.get(group.size() - 1) == END);
    }

    /** Begins a transaction. When that fails everything that waits does, which would otherwise grow without end. */
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
     * it does when no transaction could be begun: in any such case a new connection has a state that is known.
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

    private void keepRunningTime(boolean last) {
        long now = System.nanoTime();
        if (!last && now - runningTimeKeptAt < KEEP_RUNNING_TIME_NS) {
            return;
        }
        try {
            execute(forWriting, "INSERT OR REPLACE INTO running_time VALUES (1, " + runningMillis() + ")");
            runningTimeKeptAt = now;
        } catch (SQLException unwritten) {
            // The next group tries it again.
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

    /** Devices' keys are in it: the file is its owner's alone, and SQLite makes those beside it alike. */
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
            // This process has it open already, which is the same mistake.
        }
        channel.close();
        throw new IOException("another process has " + file + " locked");
    }
}
