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
 * Logs refused requests, at most one line per minute for each reason: otherwise any peer that reaches the port could
 * fill the disk. Thread-safe.
 */
public final class RefusalLog {
    private static final Logger LOG = LoggerFactory.getLogger(RefusalLog.class);
    private static final long PAUSE_NS = TimeUnit.MINUTES.toNanos(1);

    /** The time of the last line, and the number of refusals without a line since then. */
    private record Last(long loggedAt, long silent) {
    }

    private final LongSupplier nanoTime;
    private final Map<String, Last> byReason = new ConcurrentHashMap<>();

    public RefusalLog() {
        this(System::nanoTime);
    }

    /**
     * Creates a log with a clock.
     *
     * @param nanoTime a monotonic clock
     */
    RefusalLog(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    /**
     * Logs a refused request, or counts it for the next line.
     *
     * @param reason one of few fixed sentences that contain nothing of the request: each has its own line
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
