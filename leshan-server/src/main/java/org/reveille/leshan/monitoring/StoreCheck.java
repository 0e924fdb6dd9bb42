package org.reveille.leshan.monitoring;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.reveille.leshan.store.Store;

/** Checks whether a store accepts writes, by one write that concurrent checks share. */
public final class StoreCheck {
    private static final long PATIENCE_MS = 2_000;

    private final Store store;
    private CompletableFuture<Void> write = CompletableFuture.completedFuture(null);

    public StoreCheck(Store store) {
        this.store = store;
    }

    /** Returns a sentence if nothing can be written, or not within 2 s. */
    public Optional<String> problem() {
        try {
            running().get(PATIENCE_MS, TimeUnit.MILLISECONDS);
            return Optional.empty();
        } catch (ExecutionException failure) {
            return Optional.of("it cannot be written: " + failure.getCause().getMessage());
        } catch (TimeoutException slow) {
            return Optional.of("a write takes longer than " + PATIENCE_MS + " ms");
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return Optional.of("the check was interrupted");
        }
    }

    private synchronized CompletableFuture<Void> running() {
        if (write.isDone()) {
            write = store.write(StoreCheck::touch);
        }
        return write;
    }

    private static Void touch(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS touched(id INTEGER PRIMARY KEY CHECK (id = 1), time INTEGER)");
            statement.execute("INSERT OR REPLACE INTO touched VALUES (1, unixepoch())");
            return null;
        }
    }
}
