package org.reveille.leshan.coap;

import java.net.InetAddress;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** Limits the number of requests of each address: a number per second on average, and ten times that number in a burst. */
final class RequestRate {
    private static final int BURST_S = 10;
    /** Number of remembered addresses, the most recent ones. */
    private static final int ADDRESSES = 10_000;

    /** The requests that an address may still send, as of a time. */
    private record Tokens(double left, long at) {
    }

    private final int perSecond;
    private final LongSupplier nanoTime;
    private final Map<InetAddress, Tokens> byAddress = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<InetAddress, Tokens> eldest) {
            return size() > ADDRESSES;
        }
    };

    /**
     * Creates a limit.
     *
     * @param nanoTime a monotonic clock
     */
    RequestRate(int perSecond, LongSupplier nanoTime) {
        this.perSecond = perSecond;
        this.nanoTime = nanoTime;
    }

    /** Counts a request, and returns whether its address may send it. */
    synchronized boolean admits(InetAddress address) {
        long now = nanoTime.getAsLong();
        double most = (double) perSecond * BURST_S;
        Tokens last = byAddress.getOrDefault(address, new Tokens(most, now));
        double seconds = (double) (now - last.at()) / TimeUnit.SECONDS.toNanos(1);
        double left = Math.min(most, last.left() + seconds * perSecond);
        boolean admitted = left >= 1;
        byAddress.put(address, new Tokens(admitted ? left - 1 : left, now));
        return admitted;
    }
}
