package org.reveille.leshan.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
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
    void keepsTheOrderInWhichWritesWereAskedFor() throws Exception {
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
    void aFailingWriteHarmsNoneOfItsGroup() throws Exception {
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
    void closingWritesWhatWaits() throws Exception {
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
