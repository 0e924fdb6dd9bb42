package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.json.Json;

/** Tests the public API of an outbox: envelopes, listeners and stored events. */
class OutboxTest extends OutboxFixture {
    @Test
    void anEnvelopeHasServerProcessAndTime() throws Exception {
        open(options(receiver.uri()));
        Event event = outbox.publish("a\"b", "AWAKE", Json.object().put("ep", "a\"b")).get();
        await(() -> !receiver.taken().isEmpty());
        JsonNode envelope = receiver.taken().get(0);
        assertEquals(List.of("id", "seq", "server", "bootId", "time", "event", "data"), names(envelope));
        assertEquals(event.id(), envelope.get("id").asText());
        assertEquals("test", envelope.get("server").asText());
        assertEquals(outbox.bootId(), envelope.get("bootId").asText());
        assertEquals("a\"b", envelope.get("data").get("ep").asText());
    }

    @Test
    void listenersThatReconnectReadTheEventsThatTheyMissed() throws Exception {
        List<Long> received = new ArrayList<>();
        open(options(null));
        outbox.listen(event -> received.add(event.seq()));
        publish(0, 10);
        close();
        assertEquals(IntStream.rangeClosed(1, 10).asLongStream().boxed().toList(), received);
        open(options(null));
        publish(10, 12);
        assertEquals(List.of(8L, 9L, 10L, 11L, 12L), outbox.after(7).stream().map(Event::seq).toList());
        assertEquals(0, outbox.status().waiting());
    }

    @Test
    void aListenerThatThrowsDoesNotAffectTheOthers() throws Exception {
        List<Long> received = new CopyOnWriteArrayList<>();
        open(options(null));
        outbox.listen(event -> {
            throw new IllegalStateException("unforeseen");
        });
        outbox.listen(event -> received.add(event.seq()));
        publish(0, 1);
        publish(1, 3);
        await(() -> received.equals(List.of(1L, 2L, 3L)));
        assertTrue(outbox.isAlive());
    }

    @Test
    void withoutAWebhookNothingIsRedelivered() throws Exception {
        open(options(null));
        assertThrows(IllegalStateException.class, outbox::redeliver);
    }
}
