package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.reveille.leshan.json.Json;

/** Tests the limits of stored events: their size, their age, and what is dropped first. */
@Execution(ExecutionMode.CONCURRENT)
class EventRetentionTest extends OutboxFixture {
    @Test
    void presenceIsCoalescedBeforeOtherEventsAreDropped() throws Exception {
        stuck(20_000, Duration.ofDays(1));
        for (int i = 0; i < 200; i++) {
            String endpoint = "dev-" + i % 2;
            outbox.publish(endpoint, "SLEEPING", Json.object().put("ep", endpoint).put("n", i));
            outbox.publish(endpoint, i % 10 == 0 ? "SEND" : "AWAKE", Json.object().put("ep", endpoint).put("n", i));
        }
        outbox.retention().trim(store.runningMillis()).get();
        acceptPosts();
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
    void redeliveredPresenceDoesNotReplaceNewerPresence() throws Exception {
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
        outbox.retention().trim(store.runningMillis()).get();
        acceptPosts();
        assertEquals(Stream.concat(Stream.of(-1, 85, 0), IntStream.range(86, 96).boxed()).toList(),
                numbers(receiver.taken()));
    }

    @Test
    void droppedEventsAreCountedInAGap() throws Exception {
        stuck(20_000, Duration.ofDays(1));
        publish(0, 200);
        outbox.retention().trim(store.runningMillis()).get();
        publish(200, 300);
        outbox.retention().trim(store.runningMillis()).get();
        long dropped = outbox.status().dropped();
        assertTrue(outbox.status().waitingBytes() <= 20_000 + 300);
        acceptPosts();
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
    void waitingEventsThatAreTooOldAreDropped() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        publish(0, 5);
        outbox.retention().trim(store.runningMillis() + Duration.ofMinutes(61).toMillis()).get();
        publish(5, 7);
        acceptPosts();
        assertEquals(List.of("FIRST", "GAP", "SEND", "SEND"),
                receiver.taken().stream().map(event -> event.get("event").asText()).toList());
        assertEquals(5, outbox.status().dropped());
    }

    @Test
    void droppedEventsAreSubtractedFromTheWaitingOnes() throws Exception {
        stuck(20_000, Duration.ofHours(1));
        publish(0, 200);
        outbox.retention().trim(store.runningMillis()).get();
        publish(200, 220);
        outbox.retention().trim(store.runningMillis() + Duration.ofMinutes(61).toMillis()).get();
        publish(220, 230);
        assertEquals(counted(), outbox.status().waitingBytes());
        assertEquals(12, outbox.status().waiting());
        acceptPosts();
        assertEquals(0, outbox.status().waitingBytes());
    }

    @Test
    void eventsOfTheCurrentPostAreNeverTooOld() throws Exception {
        stuck(1 << 20, Duration.ofHours(1));
        outbox.retention().trim(store.runningMillis() + Duration.ofDays(2).toMillis()).get();
        assertEquals(1, outbox.status().waiting());
        acceptPosts();
        assertEquals(List.of("FIRST"), receiver.taken().stream().map(event -> event.get("event").asText()).toList());
    }

    @Test
    void deliveredEventsAreDeletedInBatches() throws Exception {
        open(new Outbox.Options("test", null, List.of(), null, 1 << 20, Duration.ofDays(1), 1 << 20,
                Duration.ofHours(100)));
        publish(0, 10);
        outbox.retention().trim(store.runningMillis() + Duration.ofHours(100).plusSeconds(1).toMillis()).get();
        assertEquals(10, outbox.after(0).size());
        outbox.retention().trim(store.runningMillis() + Duration.ofHours(102).toMillis()).get();
        assertEquals(List.of(), outbox.after(0));
    }

    @Test
    void aClockThatIsSetAheadDropsNothing() throws Exception {
        stuck(1 << 20, Duration.ofDays(7));
        publish(0, 5);
        clockAhead(Duration.ofDays(8));
        awaitTrims();
        assertEquals(0, outbox.status().dropped());
        acceptPosts();
        assertEquals(List.of(-1, 0, 1, 2, 3, 4), numbers(receiver.taken()));
        close();
        open(options(null));
        clockAhead(Duration.ofDays(8));
        awaitTrims();
        assertEquals(6, outbox.after(0).size());
    }

    @Test
    void deliveredEventsAreBoundedInSizeAndAge() throws Exception {
        open(new Outbox.Options("test", null, List.of(), null, 1 << 20, Duration.ofDays(1), 10_000,
                Duration.ofHours(1)));
        publish(0, 500);
        outbox.retention().trim(store.runningMillis()).get();
        outbox.retention().trim(store.runningMillis()).get();
        List<Event> kept = outbox.after(0);
        assertTrue(kept.size() < 60 && kept.size() > 20, () -> "kept " + kept.size());
        assertEquals(500, kept.get(kept.size() - 1).seq());
        outbox.retention().trim(store.runningMillis() + Duration.ofHours(2).toMillis()).get();
        assertEquals(List.of(), outbox.after(0));
        close();
        open(options(null));
        publish(0, 1);
        assertEquals(501, outbox.after(0).get(0).seq());
    }
}
