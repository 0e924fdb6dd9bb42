package org.reveille.leshan.coap;

import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.eclipse.californium.core.coap.Request;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs refused requests, at most one line in a minute for each reason: whoever reaches the port could fill the disk
 * otherwise. Safe for every thread.
 */
public final class RefusalLog {
    private static final Logger LOG = LoggerFactory.getLogger(RefusalLog.class);
    private static final long PAUSE_NS = TimeUnit.MINUTES.toNanos(1);

    /** When the last line was written, and how many refusals were not since. */
    private record Last(long loggedAt, long silent) {
    }

    private final LongSupplier nanoTime;
    private final Map<String, Last> byReason = new ConcurrentHashMap<>();

    public RefusalLog() {
        this(System::nanoTime);
    }

    /** @param nanoTime a monotonic clock */
    RefusalLog(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /**
     * Logs a refused request, or counts it for the next line.
     *
     * @param reason one of few fixed sentences without anything of the request: each has a line of its own
     */
    void refused(String reason, Request request) {
        long now = nanoTime.getAsLong();
        byReason.compute(reason, (same, last) -> {
            if (last != null && now - last.loggedAt() < PAUSE_NS) {
                return new Last(last.loggedAt(), last.silent() + 1);
            }
            InetSocketAddress peer = request.getSourceContext().getPeerAddress();
            LOG.warn("refused a request of {}:{}: {} ({} others since the last such line)",
                    peer.getAddress().getHostAddress(), peer.getPort(), reason, last == null ? 0 : last.silent());
            return new Last(now, 0);
        });
    }
}
