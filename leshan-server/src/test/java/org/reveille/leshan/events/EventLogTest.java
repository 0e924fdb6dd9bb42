package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.json.Json;

/** Tests stored events: their numbers, and the GAP of events that cannot be written. */
class EventLogTest extends OutboxFixture {
    @Test
    void anEventOfAWriteThatIsRolledBackDoesNotCount() throws Exception {
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
        acceptPosts();
        assertEquals(List.of(-1, 2), numbers(receiver.taken()));
    }

    @Test
    void eventsThatCannotBeWrittenAreReportedAsAGap() throws Exception {
        List<Event> received = new CopyOnWriteArrayList<>();
        open(options(receiver.uri()));
        outbox.listen(received::add);
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
        // The acceptance of a post may be the write that failed: then the post is repeated under its id.
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
        await(() -> received.size() == taken.size());
        assertEquals(taken.stream().map(event -> event.get("id").asText()).toList(),
                received.stream().map(Event::id).toList());
        assertEquals(received.stream().map(Event::seq).sorted().toList(), received.stream().map(Event::seq).toList());
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
}
