package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.json.Json;

/** Tests the events that wait for the webhook: their batches, order, refusal and redelivery. */
class DeliveryQueueTest extends OutboxFixture {
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
    void aPostIsLimitedInEventsAndBytes() throws Exception {
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
    void thePostInProgressIsRepeatedByTheNextProcess() throws Exception {
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
    void badEventsAreIsolatedAndSetAside() throws Exception {
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
        List<Event> received = new CopyOnWriteArrayList<>();
        outbox.listen(received::add);
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
        await(() -> received.size() == 4);
        assertEquals(List.of("dev-0", "dev-0", "dev-1", "dev-2"), received.stream().map(Event::endpoint).toList());
        await(() -> outbox.status().waiting() == 0);
        assertEquals(0, outbox.status().refused());
        assertEquals(0, outbox.status().waitingBytes());
        assertEquals(new Outbox.Redelivery(0, 0), outbox.redeliver().get());
    }

    @Test
    void redeliveredEventsThatAreRefusedAreSetAsideAgain() throws Exception {
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
    void redeliveryIsLimitedInSizeAndAge() throws Exception {
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
}
