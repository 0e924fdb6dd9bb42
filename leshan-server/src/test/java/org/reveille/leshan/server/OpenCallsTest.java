package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.server.Failure.Code;

class OpenCallsTest {
    private final OpenCalls calls = new OpenCalls(2);

    @Test
    void oneCallPerRegistration() {
        OpenCalls.Call first = call("a");
        assertNull(calls.open(first));
        assertEquals(Code.BUSY, calls.open(call("a")).code());
        calls.done(first, () -> { });
        assertNull(calls.open(call("a")));
    }

    @Test
    void theTotalOfOpenCallsIsLimited() {
        OpenCalls.Call first = call("a");
        assertNull(calls.open(first));
        assertNull(calls.open(call("b")));
        assertEquals(Code.TOO_MANY_CALLS, calls.open(call("c")).code());
        assertEquals(Code.BUSY, calls.open(call("b")).code());
        calls.done(first, () -> { });
        assertNull(calls.open(call("c")));
    }

    @Test
    void noCallIsOpenedAfterADrain() throws InterruptedException {
        OpenCalls.Call first = call("a");
        assertNull(calls.open(first));
        assertEquals(1, calls.drain(1));
        assertEquals(Code.SHUTTING_DOWN, calls.open(call("b")).code());
        Thread answering = new Thread(() -> calls.done(first, () -> { }));
        answering.start();
        assertEquals(0, calls.drain(60_000));
        answering.join();
    }

    @Test
    void aRefusedRequestWasNotSent() {
        calls.open(call("a"));
        assertEquals(Delivery.NOT_SENT, calls.open(call("a")).delivery());
    }

    @Test
    void anOverdueCallIsOpenAndBlocksNoOther() throws InterruptedException {
        OpenCalls.Call overdue = new OpenCalls.Call("a", () -> true);
        OpenCalls.Call next = call("a");
        assertNull(calls.open(overdue));
        assertNull(calls.open(next));
        assertEquals(Code.BUSY, calls.open(call("a")).code());
        assertEquals(2, calls.size());
        assertEquals(Code.TOO_MANY_CALLS, calls.open(call("b")).code());
        calls.done(overdue, () -> fail("another call has taken its place"));
        assertEquals(Code.BUSY, calls.open(call("a")).code());
        AtomicBoolean ended = new AtomicBoolean();
        calls.done(next, () -> ended.set(true));
        assertTrue(ended.get());
        assertEquals(0, calls.drain(0));
    }

    private static OpenCalls.Call call(String registration) {
        return new OpenCalls.Call(registration, () -> false);
    }
}
