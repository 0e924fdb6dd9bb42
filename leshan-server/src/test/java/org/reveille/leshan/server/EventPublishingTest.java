package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.events.Outbox;

class EventPublishingTest {
    @Test
    void aWebhookIsReportedIfItRefusesAllOrAcceptsNothingForAMinute() {
        assertEquals(Optional.empty(), problem(false, null, 0));
        assertEquals(Optional.empty(), problem(false, "answered 503", 59));
        assertEquals(Optional.of("the webhook has accepted nothing for 60 s: answered 503"),
                problem(false, "answered 503", 60));
        assertEquals(Optional.of("the webhook has accepted nothing for 61 s: the first attempt has not ended"),
                problem(false, null, 61));
        assertEquals(Optional.of("the webhook answered 401: the secret or the token is wrong"),
                problem(true, "answered 401: the secret or the token is wrong", 1));
    }

    private static Optional<String> problem(boolean stopped, String why, long failingSeconds) {
        return EventPublishing.problem(
                new Outbox.Status(1, 300, 1_000, 0, 0, 0, stopped, why, Duration.ofSeconds(failingSeconds)));
    }
}
