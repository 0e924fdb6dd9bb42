package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.request.exception.TimeoutException;
import org.eclipse.leshan.core.request.exception.UnconnectedPeerException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;

class FailureTest {
    @ParameterizedTest
    @EnumSource
    void aFailureIsReadAsItWasWritten(Code code) throws Exception {
        Failure failure = new Failure(code, "why", Delivery.MAY_HAVE_REACHED, null);
        assertEquals(failure, Failure.of(Json.read(Json.write(failure.json()))));
    }

    @Test
    void aSleepingClientIsReportedWithTheEndOfItsAwakeTime() {
        Failure asleep = new Failure(Code.CLIENT_SLEEPING, "Invalid request: asleep", Delivery.NOT_SENT, 17L);
        assertEquals("{\"code\":\"CLIENT_SLEEPING\",\"text\":\"Invalid request: asleep\",\"delivery\":\"NOT_SENT\","
                + "\"awakeUntil\":17}", Json.write(asleep.json()));
        assertEquals(409, HttpAnswer.failure(asleep).asJson().status());
        assertEquals(400, HttpAnswer.failure(asleep).status());
        assertEquals(asleep, Failure.of(asleep.json()));
    }

    @Test
    void exceptionsHaveTheStockServersTexts() {
        assertEquals("504 Request timeout", answer(new TimeoutException(TimeoutException.Type.RESPONSE_TIMEOUT, "late")));
        assertEquals("400 Invalid request: odd", answer(new CodecException("odd")));
        assertEquals("400 Invalid request: asleep", answer(new ClientSleepingException("asleep")));
        assertEquals("500 Unexpected exception: peer is not connected",
                answer(new UnconnectedPeerException("peer is not connected")));
        assertEquals("500 Unexpected exception: null", answer(new NullPointerException()));
    }

    private static String answer(Exception error) {
        HttpAnswer given = Failures.answer(error);
        return given.status() + " " + given.body();
    }
}
