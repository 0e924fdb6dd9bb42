package org.reveille.leshan.coap;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetAddress;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RequestRateTest {
    private final AtomicLong nanos = new AtomicLong();
    private final RequestRate rate = new RequestRate(5, nanos::get);

    @Test
    void anAddressHasABurstOfTenSecondsAndThenItsRate() throws Exception {
        InetAddress one = InetAddress.getByAddress(new byte[] {10, 0, 0, 1});
        InetAddress other = InetAddress.getByAddress(new byte[] {10, 0, 0, 2});
        assertEquals(50, admitted(one));
        assertEquals(0, admitted(one));
        assertEquals(50, admitted(other));
        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(1_999));
        assertEquals(9, admitted(one));
        nanos.addAndGet(TimeUnit.DAYS.toNanos(1));
        assertEquals(50, admitted(one));
    }

    private long admitted(InetAddress address) {
        return IntStream.range(0, 100).filter(i -> rate.admits(address)).count();
    }
}
