package org.reveille.leshan.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoreTest {
    @TempDir
    private Path folder;
    private Store store;

    @BeforeEach
    void open() throws Exception {
        store = new Store(folder.resolve("new").resolve("store.db"));
        store.write(sql("CREATE TABLE word (n INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT UNIQUE)")).get();
    }

    @AfterEach
    void close() throws Exception {
        store.close();
    }

    @Test
    void writesAreExecutedInTheOrderOfTheirRequests() throws Exception {
        List<CompletableFuture<?>> all = new ArrayList<>();
        List<String> asked = new ArrayList<>();
        for (int i = 0; i < 2_500; i++) {
            asked.add("w" + i);
            all.add(store.write(insert("w" + i)));
        }
        CompletableFuture.allOf(all.toArray(CompletableFuture[]::new)).get();
        assertEquals(asked, words());
    }

    @Test
    void aFailingWriteDoesNotAffectTheOthersOfItsGroup() throws Exception {
        CountDownLatch together = new CountDownLatch(1);
        store.write(connection -> {
            await(together);
            return null;
        });
        CompletableFuture<?> first = store.write(insert("a"));
        CompletableFuture<?> twice = store.write(connection -> {
            insert("half").run(connection);
            return insert("a").run(connection);
        });
        CompletableFuture<?> broken = store.write(connection -> {
            throw new IllegalStateException("on purpose");
        });
        CompletableFuture<?> last = store.write(insert("b"));
        together.countDown();

        first.get();
        last.get();
        assertThrows(ExecutionException.class, twice::get);
        assertEquals("on purpose", assertThrows(ExecutionException.class, broken::get).getCause().getMessage());
        assertEquals(List.of("a", "b"), words());
    }

    @Test
    void worksAgainOnceTheDiskHasRoomAndStoresNothingThatItRefused() throws Exception {
        store.write(sql("CREATE TABLE large (text TEXT)")).get();
        store.write(insert("before")).get();
        for (int i = 0; i < 3; i++) {
            CountDownLatch begun = new CountDownLatch(1);
            CountDownLatch together = new CountDownLatch(1);
            store.write(connection -> {
                begun.countDown();
                await(together);
                return null;
            });
            begun.await();
            CompletableFuture<?> small = store.write(insert("small" + i));
            CompletableFuture<?> large = store.write(withoutRoom(sql("INSERT INTO large VALUES (hex(zeroblob(50000)))")));
            CompletableFuture<?> next = store.write(insert("next" + i));
            together.countDown();
            for (CompletableFuture<?> refused : List.of(small, large, next)) {
                Throwable reason = assertThrows(ExecutionException.class, refused::get).getCause();
                assertTrue(reason.getMessage().contains("SQLITE_FULL"), reason.getMessage());
            }
            store.write(insert("after" + i)).get();
        }
        assertEquals(List.of("before", "after0", "after1", "after2"), words());
        store.close();
        store = new Store(folder.resolve("new").resolve("store.db"));
        assertEquals(List.of("before", "after0", "after1", "after2"), words());
    }

    @Test
    void worksAgainOnceAnotherConnectionUnlocksTheFile() throws Exception {
        try (Connection other = another(); Statement lock = other.createStatement()) {
            store.write(sql("PRAGMA busy_timeout = 50")).get();
            lock.execute("BEGIN IMMEDIATE");
            CompletableFuture<?> refused = store.write(insert("refused"));
            Throwable reason = assertThrows(ExecutionException.class, refused::get).getCause();
            assertTrue(reason.getMessage().contains("SQLITE_BUSY"), reason.getMessage());
            CompletableFuture<?> waits = store.write(insert("waits"));
            lock.execute("ROLLBACK");
            waits.get();
        }
        store.write(insert("after")).get();
        assertEquals(List.of("waits", "after"), words());
    }

    @Test
    void writesThatWaitForALockedFileFailTogether() throws Exception {
        try (Connection other = another(); Statement lock = other.createStatement()) {
            store.write(sql("PRAGMA busy_timeout = 300")).get();
            lock.execute("BEGIN IMMEDIATE");
            CompletableFuture<?> first = store.write(insert("first"));
            Thread.sleep(100);
            List<CompletableFuture<?>> waiting = new ArrayList<>();
            for (int i = 0; i < 3_000; i++) {
                waiting.add(store.write(insert("waiting" + i)));
            }
            assertThrows(ExecutionException.class, first::get);
            waiting.forEach(each -> assertThrows(ExecutionException.class, () -> each.get(2, TimeUnit.SECONDS)));
            lock.execute("ROLLBACK");
        }
        assertEquals(List.of(), words());
    }

    @Test
    void callsBackBeforeAnyLaterWriteBegins() throws Exception {
        List<String> order = new CopyOnWriteArrayList<>();
        CompletableFuture<Void> last = null;
        for (int i = 0; i < 200; i++) {
            String name = "w" + i;
            store.write(withoutRoom(insert("x".repeat(100_000))), (done, failure) -> order.add("failed " + name));
            last = store.write(connection -> {
                order.add("later " + name);
                return null;
            });
        }
        last.handle((done, failure) -> null).get();
        for (int i = 0; i < 200; i++) {
            int later = order.lastIndexOf("later w" + i);
            assertTrue(later < 0 || order.indexOf("failed w" + i) < later, order::toString);
        }
    }

    @Test
    void ageContinuesAcrossProcesses() throws Exception {
        assertTrue(store.runningMillis() < 60_000);
        store.write(sql("INSERT OR REPLACE INTO running_time VALUES (1, 86400000)")).get();
        Path file = folder.resolve("new").resolve("store.db");
        Path copy = folder.resolve("copy.db");
        try (Connection other = another(); Statement statement = other.createStatement()) {
            statement.execute("VACUUM INTO '" + copy + "'");
        }
        try (Store crashed = new Store(copy)) {
            long age = crashed.runningMillis();
            assertTrue(age >= 86_400_000 && age < 86_460_000, () -> "age " + age);
        }
        long before = store.runningMillis();
        store.close();
        store = new Store(file);
        assertTrue(store.runningMillis() >= before);
    }

    @Test
    void aFailedWriteAtTheStartIsAnIoException() {
        IOException refused = assertThrows(IOException.class,
                () -> store.writeNow(withoutRoom(insert("x".repeat(100_000)))));
        assertTrue(refused.getMessage().contains("SQLITE_FULL"), refused.getMessage());
    }

    @Test
    void closingExecutesTheWaitingWrites() throws Exception {
        for (int i = 0; i < 50; i++) {
            store.write(insert("w" + i));
        }
        store.close();
        assertTrue(store.write(insert("late")).isCompletedExceptionally());
        store = new Store(folder.resolve("new").resolve("store.db"));
        assertEquals(50, words().size());
    }

    @Test
    void isOfOneProcessAtATime() {
        assertThrows(IOException.class, () -> new Store(folder.resolve("new").resolve("store.db")));
    }

    @Test
    void isDurable() throws Exception {
        store.write(connection -> {
            assertEquals("wal", text(connection, "PRAGMA journal_mode"));
            assertEquals("2", text(connection, "PRAGMA synchronous"));
            return null;
        }).get();
    }

    private List<String> words() throws SQLException {
        return store.read(connection -> {
            List<String> words = new ArrayList<>();
            try (Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT text FROM word ORDER BY n")) {
                while (rows.next()) {
                    words.add(rows.getString(1));
                }
            }
            return words;
        });
    }

    /** Executes work while SQLite cannot enlarge its file: it fails with SQLITE_FULL, as on a full disk. */
    private static Store.Work<Void> withoutRoom(Store.Work<Void> work) {
        return connection -> {
            sql("PRAGMA max_page_count = " + text(connection, "PRAGMA page_count")).run(connection);
            try {
                return work.run(connection);
            } finally {
                sql("PRAGMA max_page_count = 1000000").run(connection);
            }
        };
    }

    private Connection another() throws SQLException {
        return DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("new").resolve("store.db"));
    }

    private static Store.Work<Void> insert(String word) {
        return sql("INSERT INTO word(text) VALUES ('" + word + "')");
    }

    private static Store.Work<Void> sql(String sql) {
        return connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute(sql);
            }
            return null;
        };
    }

    private static String text(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            return rows.getString(1);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
