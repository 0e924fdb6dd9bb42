package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.file.Path;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

/** Base class of tests with an outbox in its own store, and a receiver of its posts. */
abstract class OutboxFixture {
    @TempDir
    Path folder;
    Receiver receiver;
    Store store;
    Outbox outbox;

    @BeforeEach
    void start() throws Exception {
        receiver = new Receiver();
    }

    @AfterEach
    void stop() throws Exception {
        close();
        receiver.close();
    }

    /** Makes writes fail as one group, as on a full disk: SQLite cannot enlarge its file. */
    void failTogether(Supplier<List<CompletableFuture<Event>>> writes) throws InterruptedException {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch together = new CountDownLatch(1);
        store.write(connection -> {
            begun.countDown();
            await(() -> together.getCount() == 0);
            return null;
        });
        begun.await();
        List<CompletableFuture<Event>> refused = writes.get();
        store.write(connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("PRAGMA max_page_count = 1");
                return statement.execute(
                        "INSERT INTO event_refused VALUES (-1, 0, 0, '', hex(randomblob(500000)))");
            }
        });
        together.countDown();
        for (CompletableFuture<Event> each : refused) {
            assertTrue(assertThrows(CompletionException.class, each::join).getMessage().contains("SQLITE_FULL"));
        }
    }

    /** Changes the times on disk as if the system's clock had been set ahead since. */
    void clockAhead(Duration jump) throws Exception {
        store.write(connection -> {
            try (Statement statement = connection.createStatement()) {
                return statement.executeUpdate("UPDATE event SET time = time - " + jump.toMillis());
            }
        }).get();
    }

    /** Waits until the outbox has trimmed its events by itself, which it does every second. */
    static void awaitTrims() throws InterruptedException {
        Thread.sleep(2_500);
    }

    /** Opens an outbox whose first post, with one event FIRST, fails repeatedly. */
    void stuck(long maxBytes, Duration maxAge) throws Exception {
        receiver.posts.clear();
        receiver.answers = post -> 503;
        open(new Outbox.Options("test", receiver.uri(), List.of(), null, maxBytes, maxAge, 1 << 20,
                Duration.ofHours(1)));
        outbox.publish("dev", "FIRST", Json.object().put("n", -1)).get();
        await(() -> !receiver.posts.isEmpty());
    }

    /** Opens an outbox, and waits until the receiver has refused this number of events. */
    void refuse(int events) throws Exception {
        receiver.answers = post -> 422;
        open(options(receiver.uri()));
        for (int i = 0; i < events; i++) {
            outbox.publish("dev-" + i, "SEND", Json.object().put("ep", "dev-" + i).put("n", i));
        }
        await(() -> outbox.status().refused() == events);
    }

    /** Returns the size of all stored events according to the table. */
    long counted() throws Exception {
        return store.read(connection -> EventTable.backlog(connection, 0)).bytes();
    }

    void acceptPosts() {
        receiver.answers = post -> 200;
        await(() -> outbox.status().waiting() == 0);
    }

    Outbox.Options options(URI webhook) {
        return new Outbox.Options("test", webhook, List.of(), null);
    }

    void open(Outbox.Options options) throws Exception {
        store = new Store(folder.resolve("outbox.db"));
        outbox = new Outbox(store, options);
    }

    void close() throws Exception {
        outbox.close();
        store.close();
    }

    void publish(int from, int to) {
        CompletableFuture<?> last = CompletableFuture.completedFuture(null);
        for (int i = from; i < to; i++) {
            last = outbox.publish("dev-" + i % 3, "SEND", Json.object().put("n", i));
        }
        last.join();
    }

    static List<Integer> numbers(List<JsonNode> events) {
        return events.stream().map(event -> event.get("data").path("n").asInt()).toList();
    }

    static List<String> names(JsonNode object) {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    static int count(List<JsonNode> events, String name) {
        return (int) events.stream().filter(event -> event.get("event").asText().equals(name)).count();
    }
}
