package org.reveille.leshan.events;

import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes written events to listeners. It reads them from the disk, so that no listener receives an event that was
 * not written.
 */
final class EventTeller implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventTeller.class);

    private static final long RETRY_MS = 1_000;

    private final Outbox outbox;
    private final List<Consumer<Event>> listeners = new CopyOnWriteArrayList<>();
    private final Semaphore news = new Semaphore(0);
    private final Thread thread = new Thread(this::run, "events");
    private long told;
    private boolean unreadable;

    /**
     * Creates and starts the publisher.
     *
     * @param told the number of the last event that is not published
     */
    EventTeller(Outbox outbox, long told) {
        this.outbox = outbox;
        this.told = told;
        thread.setDaemon(true);
        thread.start();
    }

    void add(Consumer<Event> listener) {
        listeners.add(listener);
    }

    void wake() {
        if (news.availablePermits() == 0) {
            news.release();
        }
    }

    boolean isAlive() {
        return thread.isAlive();
    }

    /** Publishes the events written so far, and stops. */
    @Override
    public void close() throws InterruptedException {
        thread.interrupt();
        thread.join();
    }

    private void run() {
        try {
            while (true) {
                // An unsuccessful read is retried without waiting for a further event.
                if (unreadable) {
                    news.tryAcquire(RETRY_MS, TimeUnit.MILLISECONDS);
                } else {
                    news.acquire();
                }
                news.drainPermits();
                tell();
            }
        } catch (InterruptedException end) {
            tell();
        }
    }

    private void tell() {
        try {
            List<Event> events = outbox.after(told);
            while (!events.isEmpty()) {
                for (Event event : events) {
                    listeners.forEach(listener -> tell(listener, event));
                    told = event.seq();
                }
                events = outbox.after(told);
            }
            unreadable = false;
        } catch (SQLException | RuntimeException failure) {
            if (!unreadable) {
                LOG.error("events cannot be read, it is tried again each second", failure);
            }
            unreadable = true;
        }
    }

    /** Calls one listener. Its exception neither ends the thread nor prevents the delivery to other listeners. */
    private static void tell(Consumer<Event> listener, Event event) {
        try {
            listener.accept(event);
        } catch (RuntimeException unforeseen) {
            LOG.error("a listener could not be told of {}", event.id(), unforeseen);
        }
    }
}
