package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.standardwebhooks.Webhook;
import java.net.URI;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

class OutboxTest {
    private static final String OLD = "whsec_b2xkIHNlY3JldCBvZiB0aGUgb3V0Ym94IQ==";
    private static final String NEW = "whsec_bmV3IHNlY3JldCBvZiB0aGUgb3V0Ym94IQ==";

    @TempDir
    private Path folder;
    private Receiver receiver;
    private Store store;
    private Outbox outbox;

    @BeforeEach
    void start() throws Exception {
        receiver = new Receiver();
    }

    @AfterEach
    void stop() throws Exception {
        close();
        receiver.close();
    }

    @Test
    void everythingArrivesOnceAndInOrder() throws Exception {
        open(options(receiver.uri()));
        publish(0, 1_300);
        await(() -> receiver.taken().size() == 1_300);
        List<JsonNode> taken = receiver.taken();
        assertEquals(IntStream.range(0, 1_300).boxed().toList(), numbers(taken));
        assertEquals(IntStream.rangeClosed(1, 1_300).boxed().toList(),
                taken.stream().map(event -> event.get("seq").asInt()).toList());
        assertTrue(receiver.posts.stream().allMatch(post -> post.events().size() <= 500));
        await(() -> outbox.status().delivered() == 1_300);
        assertEquals(0, outbox.status().waiting());
    }

    @Test
    void anEnvelopeTellsWhoAndWhen() throws Exception {
        open(options(receiver.uri()));
        Event event = outbox.publish("a\"b", "AWAKE", Json.object().put("ep", "a\"b")).get();
        await(() -> !receiver.taken().isEmpty());
        JsonNode told = receiver.taken().get(0);
        assertEquals(List.of("id", "seq", "server", "bootId", "time", "event", "data"), names(told));
        assertEquals(event.id(), told.get("id").asText());
        assertEquals("test", told.get("server").asText());
        assertEquals(outbox.bootId(), told.get("bootId").asText());
        assertEquals("a\"b", told.get("data").get("ep").asText());
    }

    @Test
    void aPostHoldsNoMoreThanItMay() throws Exception {
        open(options(receiver.uri()));
        String large = "x".repeat(100 << 10);
        for (int i = 0; i < 6; i++) {
            outbox.publish("dev", "SEND", Json.object().put("n", i).put("text", large));
        }
        outbox.publish("dev", "SEND", Json.object().put("n", 6).put("text", large.repeat(4)));
        await(() -> receiver.taken().size() == 7);
        assertEquals(List.of(0, 1, 2, 3, 4, 5, 6), numbers(receiver.taken()));
        assertTrue(receiver.posts.stream()
                .allMatch(post -> post.events().size() == 1 || post.body().length() <= 256 << 10));
    }

    @Test
    void bothSecretsSign() throws Exception {
        open(new Outbox.Options("test", receiver.uri(), List.of(NEW, OLD), "the-token"));
        publish(0, 1);
        await(() -> !receiver.posts.isEmpty());
        Receiver.Post post = receiver.posts.get(0);
        for (String secret : List.of(OLD, NEW)) {
            new Webhook(secret).verify(post.body(), post.headers().entrySet().stream().collect(
                    Collectors.toMap(header -> header.getKey().toLowerCase(Locale.ROOT), Map.Entry::getValue)));
        }
        assertEquals(2, post.headers().get("Webhook-signature").get(0).split(" ").length);
        assertEquals(List.of("Bearer the-token"), post.headers().get("Authorization"));
    }

    @Test
    void aPostThatFailsIsMadeAgainAsItWas() throws Exception {
        receiver.answers = post -> receiver.posts.size() < 2 ? 503 : 200;
        open(options(receiver.uri()));
        publish(0, 3);
        await(() -> receiver.posts.size() == 1);
        publish(3, 5);
        await(() -> receiver.taken().size() == 5);
        List<Receiver.Post> posts = receiver.posts;
        assertEquals(posts.get(0).id(), posts.get(1).id());
        assertEquals(posts.get(0).body(), posts.get(1).body());
        assertEquals(posts.get(0).body(), posts.get(2).body());
        assertEquals(IntStream.range(0, 5).boxed().toList(), numbers(receiver.taken()));
        assertEquals(null, outbox.status().lastError());
    }

    @Test
    void aPostUnderWayIsMadeAgainByTheNextProcess() throws Exception {
        receiver.answers = post -> 500;
        open(options(receiver.uri()));
        publish(0, 3);
        await(() -> !receiver.posts.isEmpty());
        Receiver.Post before = receiver.posts.get(0);
        publish(3, 5);
        close();

        receiver.answers = post -> 200;
        open(options(receiver.uri()));
        publish(5, 6);
        await(() -> receiver.taken().size() == 6);
        List<Receiver.Post> taken = receiver.posts.stream().filter(post -> post.answer() == 200).toList();
        assertEquals(before.id(), taken.get(0).id());
        assertEquals(before.body(), taken.get(0).body());
        assertEquals(IntStream.range(0, 6).boxed().toList(), numbers(receiver.taken()));
        assertEquals(6, new HashSet<>(receiver.taken().stream().map(event -> event.get("seq")).toList()).size());
        assertEquals(6, new HashSet<>(receiver.taken().stream().map(event -> event.get("id")).toList()).size());
        assertNotEquals(receiver.taken().get(0).get("bootId"), receiver.taken().get(5).get("bootId"));
    }

    @Test
    void aReceiverThatIsAwayGetsEverythingWhenItIsBack() throws Exception {
        int port = receiver.port();
        receiver.close();
        open(options(receiver.uri()));
        publish(0, 700);
        await(() -> outbox.status().lastError() != null);
        receiver = new Receiver(port);
        await(() -> receiver.taken().size() == 700);
        assertEquals(IntStream.range(0, 700).boxed().toList(), numbers(receiver.taken()));
    }

    @Test
    void badEventsAreFoundAndSetAside() throws Exception {
        receiver.answers = post -> post.names().contains("BAD") ? 422 : 200;
        open(options(receiver.uri()));
        List<Integer> good = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            boolean bad = i == 17 || i == 18 || i == 255;
            outbox.publish("dev", bad ? "BAD" : "SEND", Json.object().put("n", i));
            if (!bad) {
                good.add(i);
            }
        }
        await(() -> receiver.taken().size() == 297 && outbox.status().refused() == 3);
        assertEquals(good, numbers(receiver.taken()));
        close();
        open(options(receiver.uri()));
        assertEquals(3, outbox.status().refused());
    }

    @Test
    void eventsThatWereSetAsideAreRedelivered() throws Exception {
        refuse(3);
        List<Event> heard = new CopyOnWriteArrayList<>();
        outbox.listen(heard::add);
        receiver.answers = post -> 200;
        publish(3, 4);
        await(() -> receiver.taken().size() == 1);
        assertEquals(new Outbox.Redelivery(3, 0), outbox.redeliver().get());
        await(() -> receiver.taken().size() == 4);
        assertEquals(List.of(3, 0, 1, 2), numbers(receiver.taken()));
        List<JsonNode> refused = receiver.posts.stream().filter(post -> post.answer() == 422 && post.events().size() == 1)
                .flatMap(post -> post.events().stream()).toList();
        for (int i = 0; i < 3; i++) {
            JsonNode again = receiver.taken().get(i + 1);
            assertEquals(5 + i, again.get("seq").asInt());
            for (String same : List.of("id", "time", "event", "bootId", "data")) {
                assertEquals(refused.get(i).get(same), again.get(same));
            }
        }
        await(() -> heard.size() == 4);
        assertEquals(List.of("dev-0", "dev-0", "dev-1", "dev-2"), heard.stream().map(Event::endpoint).toList());
        await(() -> outbox.status().waiting() == 0);
        assertEquals(0, outbox.status().refused());
        assertEquals(0, outbox.status().waitingBytes());
        assertEquals(new Outbox.Redelivery(0, 0), outbox.redeliver().get());
    }

    @Test
    void whatIsRefusedAgainIsSetAsideAgain() throws Exception {
        refuse(2);
        assertEquals(new Outbox.Redelivery(2, 0), outbox.redeliver().get());
        await(() -> outbox.status().refused() == 2 && outbox.status().waiting() == 0);
        close();
        open(options(receiver.uri()));
        assertEquals(2, outbox.status().refused());
        receiver.answers = post -> 200;
        outbox.redeliver().get();
        await(() -> receiver.taken().size() == 2);
        assertEquals(List.of(0, 1), numbers(receiver.taken()));
    }

    @Test
    void onlyWhatHasRoomAndIsYoungEnoughIsRedelivered() throws Exception {
        refuse(3);
        receiver.answers = post -> 503;
        close();
        open(new Outbox.Options("test", receiver.uri(), List.of(), null, 600, Duration.ofDays(1), 1 << 20,
                Duration.ofHours(1)));
        assertEquals(new Outbox.Redelivery(2, 1), outbox.redeliver().get());
        assertEquals(new Outbox.Redelivery(0, 1), outbox.redeliver().get());
        close();
        open(new Outbox.Options("test", receiver.uri(), List.of(), null, 1 << 20, Duration.ZERO, 1 << 20,
                Duration.ofHours(1)));
        assertEquals(new Outbox.Redelivery(0, 1), outbox.redeliver().get());
    }

    @Test
    void presenceThatIsRedeliveredDoesNotTakeThePlaceOfNewerOne() throws Exception {
        receiver.answers = post -> 422;
        open(options(receiver.uri()));
        outbox.publish("dev", "SLEEPING", Json.object().put("ep", "dev").put("n", 0));
        await(() -> outbox.status().refused() == 1);
        close();
        stuck(20_000, Duration.ofDays(1));
        for (int i = 1; i < 86; i++) {
            outbox.publish("dev", "AWAKE", Json.object().put("ep", "dev").put("n", i));
        }
        assertEquals(new Outbox.Redelivery(1, 0), outbox.redeliver().get());
        publish(86, 96);
        assertTrue(outbox.status().waitingBytes() > 20_000);
        outbox.trim(store.runningMillis()).get();
        comeBack();
        assertEquals(Stream.concat(Stream.of(-1, 85, 0), IntStream.range(86, 96).boxed()).toList(),
                numbers(receiver.taken()));
    }

    @Test
    void withoutAWebhookNothingIsRedelivered() throws Exception {
        open(options(null));
        assertThrows(IllegalStateException.class, outbox::redeliver);
    }

    @Test
    void nothingIsThrownAwayWhileTheReceiverSays401() throws Exception {
        receiver.answers = post -> 401;
        open(options(receiver.uri()));
        publish(0, 10);
        await(() -> outbox.status().stopped());
        assertEquals("answered 401: secret or token are wrong", outbox.status().lastError());
        assertEquals(0, outbox.status().refused());
        assertEquals(10, outbox.status().waiting());
        close();
        receiver.answers = post -> 200;
        open(options(receiver.uri()));
        await(() -> receiver.taken().size() == 10);
        assertFalse(outbox.status().stopped());
    }

    @Test
    void anAddressThatIsWrongIsNotTakenForBadEvents() throws Exception {
        receiver.answers = post -> 404;
        open(options(receiver.uri()));
        publish(0, 100);
        await(() -> outbox.status().stopped());
        assertEquals("answered 404: the address may be wrong", outbox.status().lastError());
        assertEquals(20, outbox.status().refused());
        assertEquals(80, outbox.status().waiting());
    }

    @Test
    void manyBadEventsAreNotTakenForAWrongAddress() throws Exception {
        for (int status : List.of(400, 413, 422)) {
            receiver.answers = post -> post.names().contains("BAD") ? status : 200;
            open(options(receiver.uri()));
            long before = outbox.status().refused();
            for (int i = 0; i < 60; i++) {
                outbox.publish("dev", "BAD", Json.object().put("n", i));
            }
            publish(60, 61);
            await(() -> outbox.status().waiting() == 0);
            assertEquals(before + 60, outbox.status().refused());
            assertFalse(outbox.status().stopped());
            assertEquals(null, outbox.status().lastError());
            close();
        }
        open(options(null));
    }

    @Test
    void presenceGoesBeforeAnythingElse() throws Exception {
        stuck(20_000, Duration.ofDays(1));
        for (int i = 0; i < 200; i++) {
            String endpoint = "dev-" + i % 2;
            outbox.publish(endpoint, "SLEEPING", Json.object().put("ep", endpoint).put("n", i));
            outbox.publish(endpoint, i % 10 == 0 ? "SEND" : "AWAKE", Json.object().put("ep", endpoint).put("n", i));
        }
        outbox.trim(store.runningMillis()).get();
        comeBack();
        List<JsonNode> taken = receiver.taken();
        assertEquals(20, count(taken, "SEND"));
        assertEquals(0, count(taken, "GAP"));
        assertTrue(taken.size() < 200, () -> "taken " + taken.size());
        for (int i = 198; i < 200; i++) {
            String endpoint = "dev-" + i % 2;
            JsonNode newest = taken.stream().filter(event -> event.get("data").path("ep").asText().equals(endpoint)
                    && event.get("event").asText().equals("AWAKE")).reduce((a, b) -> b).orElseThrow();
            assertEquals(i, newest.get("data").get("n").asInt());
        }
    }

    @Test
    void whatIsDroppedIsCounted() throws Exception {
        stuck(20_000, Duration.ofDays(1));
        publish(0, 200);
        outbox.trim(store.runningMillis()).get();
        publish(200, 300);
        outbox.trim(store.runningMillis()).get();
        long dropped = outbox.status().dropped();
        assertTrue(outbox.status().waitingBytes() <= 20_000 + 300);
        comeBack();
        List<JsonNode> taken = receiver.taken();
        assertEquals("FIRST", taken.get(0).get("event").asText());
        JsonNode gap = taken.get(1);
        assertEquals("GAP", gap.get("event").asText());
        assertEquals(dropped, gap.get("data").get("dropped").asLong());
        assertEquals(dropped, gap.get("data").get("byEvent").get("SEND").asLong());
        assertTrue(gap.get("data").get("fromTime").asLong() <= gap.get("data").get("toTime").asLong());
        assertEquals(1, count(taken, "GAP"));
        assertEquals(300, dropped + count(taken, "SEND"));
        assertEquals(299, numbers(taken).get(taken.size() - 1));
    }

    @Test
    void whatIsTooOldIsDropped() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        publish(0, 5);
        outbox.trim(store.runningMillis() + Duration.ofMinutes(61).toMillis()).get();
        publish(5, 7);
        comeBack();
        assertEquals(List.of("FIRST", "GAP", "SEND", "SEND"),
                receiver.taken().stream().map(event -> event.get("event").asText()).toList());
        assertEquals(5, outbox.status().dropped());
    }

    @Test
    void whatIsDroppedIsSubtractedFromWhatWaits() throws Exception {
        stuck(20_000, Duration.ofHours(1));
        publish(0, 200);
        outbox.trim(store.runningMillis()).get();
        publish(200, 220);
        outbox.trim(store.runningMillis() + Duration.ofMinutes(61).toMillis()).get();
        publish(220, 230);
        assertEquals(counted(), outbox.status().waitingBytes());
        assertEquals(12, outbox.status().waiting());
        comeBack();
        assertEquals(0, outbox.status().waitingBytes());
    }

    @Test
    void whatIsUnderWayIsNeverTooOld() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        outbox.trim(store.runningMillis() + Duration.ofDays(2).toMillis()).get();
        assertEquals(1, outbox.status().waiting());
        comeBack();
        assertEquals(List.of("FIRST"), receiver.taken().stream().map(event -> event.get("event").asText()).toList());
    }

    @Test
    void theLogIsForgottenInPieces() throws Exception {
        open(new Outbox.Options("test", null, List.of(), null, 1 << 20, Duration.ofDays(1), 1 << 20,
                Duration.ofHours(100)));
        publish(0, 10);
        outbox.trim(store.runningMillis() + Duration.ofHours(100).plusSeconds(1).toMillis()).get();
        assertEquals(10, outbox.after(0).size());
        outbox.trim(store.runningMillis() + Duration.ofHours(102).toMillis()).get();
        assertEquals(List.of(), outbox.after(0));
    }

    @Test
    void listenersWhoComeBackFindWhatTheyMissed() throws Exception {
        List<Long> heard = new ArrayList<>();
        open(options(null));
        outbox.listen(event -> heard.add(event.seq()));
        publish(0, 10);
        close();
        assertEquals(IntStream.rangeClosed(1, 10).asLongStream().boxed().toList(), heard);
        open(options(null));
        publish(10, 12);
        assertEquals(List.of(8L, 9L, 10L, 11L, 12L), outbox.after(7).stream().map(Event::seq).toList());
        assertEquals(0, outbox.status().waiting());
    }

    @Test
    void aListenerThatThrowsKeepsNothingFromTheOthers() throws Exception {
        List<Long> heard = new CopyOnWriteArrayList<>();
        open(options(null));
        outbox.listen(event -> {
            throw new IllegalStateException("unforeseen");
        });
        outbox.listen(event -> heard.add(event.seq()));
        publish(0, 1);
        publish(1, 3);
        await(() -> heard.equals(List.of(1L, 2L, 3L)));
        assertTrue(outbox.isAlive());
    }

    @Test
    void whatCannotBePostedIsTriedAgain() throws Exception {
        open(options(URI.create("http://127.0.0.1:65536/")));
        publish(0, 1);
        await(() -> outbox.status().lastError() != null);
        assertTrue(outbox.isAlive());
        assertEquals(1, outbox.status().waiting());
        close();
        assertFalse(outbox.isAlive());
        open(options(receiver.uri()));
        await(() -> receiver.taken().size() == 1);
    }

    @Test
    void whatWasWrittenWithSomethingElseAndUndoneDoesNotCount() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        CompletableFuture<Void> undone = store.write(connection -> {
            outbox.publish(connection, "dev", "REQUEST_RESPONSE", Json.object().put("n", 1));
            throw new SQLException("undone");
        });
        assertThrows(ExecutionException.class, undone::get);
        store.write(connection -> {
            outbox.publish(connection, "dev", "REQUEST_RESPONSE", Json.object().put("n", 2));
            return null;
        }).get();
        await(() -> outbox.status().waiting() == 2);
        assertEquals(counted(), outbox.status().waitingBytes());
        comeBack();
        assertEquals(List.of(-1, 2), numbers(receiver.taken()));
    }

    @Test
    void whatCannotBeWrittenIsToldAsAGap() throws Exception {
        List<Event> heard = new CopyOnWriteArrayList<>();
        open(options(receiver.uri()));
        outbox.listen(heard::add);
        publish(0, 1);
        long before = System.currentTimeMillis();
        for (int i = 0; i < 2; i++) {
            failTogether(() -> List.of(outbox.publish("dev", "REGISTRATION", Json.object().put("n", 1)),
                    outbox.publish("dev", "UPDATED", Json.object().put("n", 2)),
                    outbox.publish("dev", "UPDATED", Json.object().put("n", 3)),
                    outbox.publishOrRefuse("dev", "SEND", List.of(Json.object().put("n", 4)))));
        }
        publish(5, 6);
        await(() -> outbox.status().waiting() == 0 && numbers(receiver.taken()).contains(5));
        // That a post was taken may be what could not be written: then it is made again, under its id.
        Set<String> ids = new HashSet<>();
        List<JsonNode> taken = receiver.taken().stream().filter(event -> ids.add(event.get("id").asText())).toList();
        assertEquals(0, numbers(taken).get(0));
        assertEquals(5, numbers(taken).get(taken.size() - 1));
        List<JsonNode> gaps = taken.subList(1, taken.size() - 1);
        assertEquals(6, gaps.stream().mapToLong(gap -> gap.at("/data/dropped").asLong()).sum());
        assertEquals(2, gaps.stream().mapToLong(gap -> gap.at("/data/byEvent/REGISTRATION").asLong()).sum());
        assertEquals(4, gaps.stream().mapToLong(gap -> gap.at("/data/byEvent/UPDATED").asLong()).sum());
        assertTrue(gaps.get(0).at("/data/fromTime").asLong() >= before);
        assertEquals(6, outbox.status().dropped());
        await(() -> heard.size() == taken.size());
        assertEquals(taken.stream().map(event -> event.get("id").asText()).toList(),
                heard.stream().map(Event::id).toList());
        assertEquals(heard.stream().map(Event::seq).sorted().toList(), heard.stream().map(Event::seq).toList());
    }

    @Test
    void aGapNeedsNoFurtherEvent() throws Exception {
        open(options(receiver.uri()));
        failTogether(() -> List.of(outbox.publish("dev", "REGISTRATION", Json.object().put("n", 1))));
        await(() -> !receiver.taken().isEmpty());
        assertEquals(List.of("GAP"), receiver.posts.get(0).names());
        assertEquals(1, outbox.status().dropped());
    }

    @Test
    void aGapIsWrittenBeforeTheResultOfACall() throws Exception {
        open(options(receiver.uri()));
        failTogether(() -> List.of(outbox.publish("dev", "REGISTRATION", Json.object().put("n", 1))));
        store.write(connection -> {
            outbox.publish(connection, "dev", "REQUEST_RESPONSE", Json.object().put("n", 2));
            return null;
        }).get();
        await(() -> receiver.taken().size() == 2);
        assertEquals(List.of("GAP", "REQUEST_RESPONSE"),
                receiver.taken().stream().map(event -> event.get("event").asText()).toList());
    }

    @Test
    void aClockThatIsSetAheadDropsNothing() throws Exception {
        stuck(1 << 20, Duration.ofDays(7));
        publish(0, 5);
        clockAhead(Duration.ofDays(8));
        awaitTrims();
        assertEquals(0, outbox.status().dropped());
        comeBack();
        assertEquals(List.of(-1, 0, 1, 2, 3, 4), numbers(receiver.taken()));
        close();
        open(options(null));
        clockAhead(Duration.ofDays(8));
        awaitTrims();
        assertEquals(6, outbox.after(0).size());
    }

    @Test
    void eventsOfAnEarlierVersionAreAsOldAsTheStore() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        publish(0, 2);
        close();
        try (Connection old = DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("outbox.db"));
                Statement statement = old.createStatement()) {
            statement.execute("ALTER TABLE event DROP COLUMN running");
            statement.execute("DROP TABLE running_time");
        }
        receiver.answers = post -> 200;
        open(options(receiver.uri()));
        await(() -> outbox.status().delivered() == 3);
        assertEquals(List.of(-1, 0, 1), numbers(receiver.taken()));
    }

    @Test
    void theLogIsBounded() throws Exception {
        open(new Outbox.Options("test", null, List.of(), null, 1 << 20, Duration.ofDays(1), 10_000,
                Duration.ofHours(1)));
        publish(0, 500);
        outbox.trim(store.runningMillis()).get();
        outbox.trim(store.runningMillis()).get();
        List<Event> kept = outbox.after(0);
        assertTrue(kept.size() < 60 && kept.size() > 20, () -> "kept " + kept.size());
        assertEquals(500, kept.get(kept.size() - 1).seq());
        outbox.trim(store.runningMillis() + Duration.ofHours(2).toMillis()).get();
        assertEquals(List.of(), outbox.after(0));
        close();
        open(options(null));
        publish(0, 1);
        assertEquals(501, outbox.after(0).get(0).seq());
    }

    /** Has writes fail as one group, as on a full disk: SQLite may not make its file larger. */
    private void failTogether(Supplier<List<CompletableFuture<Event>>> writes) throws InterruptedException {
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

    /** What is on disk looks as if the system's clock had been set ahead since. */
    private void clockAhead(Duration jump) throws Exception {
        store.write(connection -> {
            try (Statement statement = connection.createStatement()) {
                return statement.executeUpdate("UPDATE event SET time = time - " + jump.toMillis());
            }
        }).get();
    }

    /** Waits until the outbox has held its bounds by itself, which it does every second. */
    private static void awaitTrims() throws InterruptedException {
        Thread.sleep(2_500);
    }

    /** Opens an outbox whose first post, of one event FIRST, goes on failing. */
    private void stuck(long maxBytes, Duration maxAge) throws Exception {
        receiver.posts.clear();
        receiver.answers = post -> 503;
        open(new Outbox.Options("test", receiver.uri(), List.of(), null, maxBytes, maxAge, 1 << 20,
                Duration.ofHours(1)));
        outbox.publish("dev", "FIRST", Json.object().put("n", -1)).get();
        await(() -> !receiver.posts.isEmpty());
    }

    /** Opens an outbox of which the receiver refuses so many events. */
    private void refuse(int events) throws Exception {
        receiver.answers = post -> 422;
        open(options(receiver.uri()));
        for (int i = 0; i < events; i++) {
            outbox.publish("dev-" + i, "SEND", Json.object().put("ep", "dev-" + i).put("n", i));
        }
        await(() -> outbox.status().refused() == events);
    }

    /** What the table says waits. */
    private long counted() throws Exception {
        return store.read(connection -> EventTable.backlog(connection, 0)).bytes();
    }

    private void comeBack() {
        receiver.answers = post -> 200;
        await(() -> outbox.status().waiting() == 0);
    }

    private Outbox.Options options(URI webhook) {
        return new Outbox.Options("test", webhook, List.of(), null);
    }

    private void open(Outbox.Options options) throws Exception {
        store = new Store(folder.resolve("outbox.db"));
        outbox = new Outbox(store, options);
    }

    private void close() throws Exception {
        outbox.close();
        store.close();
    }

    private void publish(int from, int to) {
        CompletableFuture<?> last = CompletableFuture.completedFuture(null);
        for (int i = from; i < to; i++) {
            last = outbox.publish("dev-" + i % 3, "SEND", Json.object().put("n", i));
        }
        last.join();
    }

    private static List<Integer> numbers(List<JsonNode> events) {
        return events.stream().map(event -> event.get("data").path("n").asInt()).toList();
    }

    private static List<String> names(JsonNode object) {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    private static int count(List<JsonNode> events, String name) {
        return (int) events.stream().filter(event -> event.get("event").asText().equals(name)).count();
    }

    private static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "did not come true within 30 s");
            Thread.onSpinWait();
        }
    }
}
