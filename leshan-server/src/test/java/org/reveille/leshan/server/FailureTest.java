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
    void isReadAsItWasWritten(Code code) throws Exception {
        Failure failure = new Failure(code, "why", Delivery.MAY_HAVE_REACHED, null);
        assertEquals(failure, Failure.of(Json.read(Json.write(failure.json()))));
    }

    @Test
    void sleepingTellsUntilWhenItWasAwake() {
        Failure asleep = new Failure(Code.CLIENT_SLEEPING, "Invalid request: asleep", Delivery.NOT_SENT, 17L);
        assertEquals("{\"code\":\"CLIENT_SLEEPING\",\"text\":\"Invalid request: asleep\",\"delivery\":\"NOT_SENT\","
                + "\"awakeUntil\":17}", Json.write(asleep.json()));
        assertEquals(409, HttpAnswer.failure(asleep).asJson().status());
        assertEquals(400, HttpAnswer.failure(asleep).status());
        assertEquals(asleep, Failure.of(asleep.json()));
    }

    @Test
    void exceptionsAreToldInTheStockServersWords() {
        assertEquals("504 Request timeout", told(new TimeoutException(TimeoutException.Type.RESPONSE_TIMEOUT, "late")));
        assertEquals("400 Invalid request: odd", told(new CodecException("odd")));
        assertEquals("400 Invalid request: asleep", told(new ClientSleepingException("asleep")));
        assertEquals("500 Unexpected exception: peer is not connected",
                told(new UnconnectedPeerException("peer is not connected")));
        assertEquals("500 Unexpected exception: null", told(new NullPointerException()));
    }

    private static String told(Exception error) {
        HttpAnswer answer = Failures.answer(error);
        return answer.status() + " " + answer.body();
    }
}
