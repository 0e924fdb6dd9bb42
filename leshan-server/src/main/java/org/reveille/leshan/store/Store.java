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
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import org.sqlite.SQLiteConfig;

/**
 * What the server keeps on disk: one SQLite file, write-ahead log, {@code synchronous=FULL}, one writer.
 *
 * <p>Writes that wait at the same time are committed together (group commit), in the order in which they were asked for.
 * Whoever needs tables makes them with {@code CREATE TABLE IF NOT EXISTS} in a write of its own. One process per file.
 */
public final class Store implements AutoCloseable {
    /** SQL that is done as one. It neither commits nor rolls back. */
    @FunctionalInterface
    public interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    /** A write that waits: what it does, and who is told. */
    private record Waiting<T>(Work<T> work, CompletableFuture<T> future) {
        Done<T> run(Connection connection) throws SQLException {
            execute(connection, "SAVEPOINT work");
            try {
                T result = work.run(connection);
                execute(connection, "RELEASE work");
                return new Done<>(future, result);
            } catch (SQLException | RuntimeException | Error refused) {
                execute(connection, "ROLLBACK TO work");
                execute(connection, "RELEASE work");
                future.completeExceptionally(refused);
                return null;
            }
        }
    }

    /** A write whose commit is still to come. */
    private record Done<T>(CompletableFuture<T> future, T result) {
        void tell() {
            future.complete(result);
        }
    }

    private static final int MOST_TOGETHER = 1_000;
    private static final Waiting<Void> END = new Waiting<>(connection -> null, new CompletableFuture<>());

    private final BlockingQueue<Waiting<?>> waiting = new LinkedBlockingQueue<>();
    private final FileLock lock;
    private final Connection forWriting;
    private final Connection forReading;
    private final Thread writer = new Thread(this::write, "store");
    private boolean closed;

    /**
     * Opens the file and makes it, with its folder, where it is missing.
     *
     * @throws IOException when it cannot be opened, or another process holds it
     */
    public Store(Path file) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        lock = lock(file.resolveSibling(file.getFileName() + ".lock"));
        try {
            makePrivate(file);
            forWriting = open(file);
            forWriting.setAutoCommit(false);
            forReading = open(file);
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
        CompletableFuture<T> future = new CompletableFuture<>();
        synchronized (waiting) {
            if (closed) {
                future.completeExceptionally(new SQLException("the store is closed"));
            } else {
                waiting.add(new Waiting<>(work, future));
            }
        }
        return future;
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
        forWriting.close();
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
            for (Waiting<?> member : group) {
                Done<?> one = member.run(forWriting);
                if (one != null) {
                    done.add(one);
                }
            }
            forWriting.commit();
        } catch (SQLException failure) {
            rollBack();
            group.forEach(member -> member.future().completeExceptionally(failure));
            return;
        }
        done.forEach(Done::tell);
    }

    private void rollBack() {
        try {
            forWriting.rollback();
        } catch (SQLException already) {
            // SQLite has rolled back by itself, as it does when the disk is full.
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
        config.setBusyTimeout(10_000);
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
