package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import com.standardwebhooks.Webhook;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.reveille.leshan.json.Json;

/** Tests posts to the webhook: signatures, retries, and receivers that refuse everything. */
@Execution(ExecutionMode.CONCURRENT)
class WebhookSenderTest extends OutboxFixture {
    private static final String OLD = "whsec_b2xkIHNlY3JldCBvZiB0aGUgb3V0Ym94IQ==";
    private static final String NEW = "whsec_bmV3IHNlY3JldCBvZiB0aGUgb3V0Ym94IQ==";

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
    void aFailedPostIsRepeatedUnchanged() throws Exception {
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
    void anUnreachableReceiverGetsAllEventsLater() throws Exception {
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
    void noEventIsDroppedWhileTheReceiverAnswers401() throws Exception {
        receiver.answers = post -> 401;
        open(options(receiver.uri()));
        publish(0, 10);
        await(() -> outbox.status().stopped());
        assertEquals("answered 401: the secret or the token is wrong", outbox.status().lastError());
        assertEquals(0, outbox.status().refused());
        assertEquals(10, outbox.status().waiting());
        close();
        receiver.answers = post -> 200;
        open(options(receiver.uri()));
        await(() -> receiver.taken().size() == 10);
        assertFalse(outbox.status().stopped());
    }

    @Test
    void aWrongAddressIsDistinguishedFromBadEvents() throws Exception {
        receiver.answers = post -> 404;
        open(options(receiver.uri()));
        publish(0, 100);
        await(() -> outbox.status().stopped());
        assertEquals("answered 404: the address may be wrong", outbox.status().lastError());
        assertEquals(20, outbox.status().refused());
        assertEquals(80, outbox.status().waiting());
    }

    @Test
    void manyBadEventsAreDistinguishedFromAWrongAddress() throws Exception {
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
    void aPostThatCannotBeSentIsRetried() throws Exception {
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
}
