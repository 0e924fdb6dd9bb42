package org.reveille.leshan.events;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Limits the size and age of stored events, once per second: coalesces presence and then drops the oldest events if too
 * many wait for the webhook, and deletes the oldest delivered ones. Its writes also write a GAP if nothing else happens.
 */
final class EventRetention implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventRetention.class);
    /** A drop reduces the size to this fraction of the limit, so that it is not repeated for each event. */
    private static final double ROOM = 0.9;
    /** An event may be older than its limit by this fraction, so that events are not deleted one by one, each second. */
    private static final double AGE_SLACK = 0.01;

    private final EventLog log;
    private final Outbox.Options options;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(work -> new Thread(work, "outbox"));

    /** Starts the timer. */
    EventRetention(EventLog log, Outbox.Options options) {
        this.log = log;
        this.options = options;
        timer.scheduleWithFixedDelay(() -> trim(log.runningMillis()), 1, 1, TimeUnit.SECONDS);
    }

    /**
     * Deletes the events that exceed the limits.
     *
     * @param now running time of the store
     * @return completes with the number of dropped events, on the store's thread
     */
    CompletableFuture<Long> trim(long now) {
        return log.write(connection -> trim(connection, now), (gone, failure) -> {
            if (failure == null && gone > 0) {
                log.countDropped(gone);
                LOG.error("the webhook accepts too little: {} events were dropped and are counted in an event GAP",
                        gone);
            }
        });
    }

    @Override
    public void close() {
        timer.shutdownNow();
    }

    private long trim(Connection connection, long now) throws SQLException {
        long gone = 0;
        if (options.webhook() == null) {
            // A webhook that is configured at a later start does not receive earlier events.
            long last = EventTable.lastSeq(connection);
            if (last > log.position().delivered()) {
                log.move(connection, last, last);
            }
        } else {
            gone = trimWaiting(connection, now);
        }
        trimDelivered(connection, now);
        return gone;
    }

    private long trimWaiting(Connection connection, long now) throws SQLException {
        if (log.backlog().bytes() > options.maxBytes()) {
            log.coalescePresence(connection);
        }
        long bytes = log.backlog().bytes();
        boolean full = bytes > options.maxBytes();
        // Above the floor: the events of the current post stay, whatever their age.
        if (full || isOld(connection, log.position().floor(), Long.MAX_VALUE, now, options.maxAge())) {
            return log.drop(connection, full ? excess(bytes, options.maxBytes()) : 0, now - options.maxAge().toMillis());
        }
        return 0;
    }

    private void trimDelivered(Connection connection, long now) throws SQLException {
        long bytes = log.deliveredBytes();
        boolean full = bytes > options.replayBytes();
        if (full || isOld(connection, 0, log.position().delivered(), now, options.replayAge())) {
            log.deleteDelivered(
                    connection, full ? excess(bytes, options.replayBytes()) : 0, now - options.replayAge().toMillis());
        }
    }

    private static long excess(long bytes, long limit) {
        return bytes - (long) (limit * ROOM);
    }

    private static boolean isOld(Connection connection, long after, long last, long now, Duration most)
            throws SQLException {
        Long oldest = EventTable.oldest(connection, after, last);
        return oldest != null && oldest < now - most.toMillis() - (long) (most.toMillis() * AGE_SLACK);
    }
}
