package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;
import org.reveille.leshan.server.Failure.Code;

class OpenCallsTest {
    private final OpenCalls calls = new OpenCalls(2);

    @Test
    void oneCallPerRegistration() {
        assertNull(calls.open("a"));
        assertEquals(Code.BUSY, calls.open("a").code());
        calls.done("a");
        assertNull(calls.open("a"));
    }

    @Test
    void notTooManyTogether() {
        assertNull(calls.open("a"));
        assertNull(calls.open("b"));
        assertEquals(Code.TOO_MANY_CALLS, calls.open("c").code());
        assertEquals(Code.BUSY, calls.open("b").code());
        calls.done("a");
        assertNull(calls.open("c"));
    }

    @Test
    void onceDrainedNoneIsOpened() throws InterruptedException {
        assertNull(calls.open("a"));
        assertEquals(1, calls.drain(1));
        assertEquals(Code.SHUTTING_DOWN, calls.open("b").code());
        Thread answering = new Thread(() -> calls.done("a"));
        answering.start();
        assertEquals(0, calls.drain(60_000));
        answering.join();
    }

    @Test
    void whatIsRefusedWasNotSent() {
        calls.open("a");
        assertEquals(Delivery.NOT_SENT, calls.open("a").delivery());
    }
}
