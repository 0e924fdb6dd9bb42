package org.reveille.leshan.events;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The events that wait for the webhook, in order: selects the batch of the next post, and records whether the receiver
 * accepted or refused it. Events that the receiver refused are set aside, and can be queued again.
 */
final class DeliveryQueue {
    private static final Logger LOG = LoggerFactory.getLogger(DeliveryQueue.class);
    /** Limited so that other writes do not wait for long. */
    private static final long MOST_BYTES_REDELIVERED = 16L << 20;

    private final EventLog log;
    private final long maxBytes;
    private final Duration maxAge;

    /**
     * Creates the queue.
     *
     * @param maxBytes maximum size of waiting events; more are not redelivered
     * @param maxAge events of more than this age are not redelivered
     */
    DeliveryQueue(EventLog log, long maxBytes, Duration maxAge) {
        this.log = log;
        this.maxBytes = maxBytes;
        this.maxAge = maxAge;
    }

    /**
     * Returns the events of the next post; empty if none wait. Its range is on disk before it is posted: a post without
     * a response is repeated unchanged, under its id, also by the next process.
     *
     * @param split create a new batch of at most {@code most} events instead of the unchanged one
     */
    List<Event> nextBatch(boolean split, int most) {
        return log.write(connection -> {
            EventTable.Position position = log.position();
            if (!split && position.batch() > position.delivered()) {
                return log.read(connection, position.delivered(), position.batch(), EventLog.MOST_IN_A_READ,
                        Long.MAX_VALUE);
            }
            List<Event> batch = log.read(
                    connection, position.delivered(), Long.MAX_VALUE, most, EventLog.MOST_BYTES_IN_A_READ);
            if (!batch.isEmpty()) {
                log.move(connection, position.delivered(), batch.get(batch.size() - 1).seq());
            }
            return batch;
        }).join();
    }

    /** Records that the receiver has accepted a batch. */
    void delivered(List<Event> batch) {
        log.write(connection -> {
            log.advance(connection, batch);
            return null;
        }).join();
    }

    /** Sets an event aside because the receiver refuses it, whatever is posted with it. */
    void refuse(Event event, int status, String answer) {
        log.write(connection -> {
            log.refuse(connection, event, status, answer);
            return null;
        }).join();
        LOG.error("{} of {} (seq {}) was refused with {} and is set aside: {}", event.name(), event.endpoint(),
                event.seq(), status, answer);
    }

    /** Queues events that were set aside again, see {@link Outbox#redeliver}. */
    CompletableFuture<Outbox.Redelivery> redeliver() {
        return log.write(connection -> {
            long room = Math.min(MOST_BYTES_REDELIVERED, maxBytes - log.backlog().bytes());
            int redelivered = log.requeueRefused(connection, System.currentTimeMillis() - maxAge.toMillis(), room);
            return new Outbox.Redelivery(redelivered, log.refused());
        });
    }
}
