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
 * Passes written events to listeners. It reads them from the disk, so that no listener receives an event that was
 * not written.
 */
final class EventDispatcher implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventDispatcher.class);

    private static final long RETRY_MS = 1_000;

    private final EventLog log;
    private final List<Consumer<Event>> listeners = new CopyOnWriteArrayList<>();
    private final Semaphore wakeUps = new Semaphore(0);
    private final Thread thread = new Thread(this::run, "events");
    private long dispatched;
    private boolean unreadable;

    /** Creates and starts the dispatcher, for events that are appended from now on. */
    EventDispatcher(EventLog log) {
        this.log = log;
        this.dispatched = log.lastSeq();
        thread.setDaemon(true);
        thread.start();
    }

    void add(Consumer<Event> listener) {
        listeners.add(listener);
    }

    void wake() {
        if (wakeUps.availablePermits() == 0) {
            wakeUps.release();
        }
    }

    boolean isAlive() {
        return thread.isAlive();
    }

    /** Passes on the events that were written so far, and stops. */
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
                    wakeUps.tryAcquire(RETRY_MS, TimeUnit.MILLISECONDS);
                } else {
                    wakeUps.acquire();
                }
                wakeUps.drainPermits();
                dispatch();
            }
        } catch (InterruptedException end) {
            dispatch();
        }
    }

    private void dispatch() {
        try {
            List<Event> events = log.after(dispatched);
            while (!events.isEmpty()) {
                for (Event event : events) {
                    listeners.forEach(listener -> deliver(listener, event));
                    dispatched = event.seq();
                }
                events = log.after(dispatched);
            }
            unreadable = false;
        } catch (SQLException | RuntimeException failure) {
            if (!unreadable) {
                LOG.error("events cannot be read, retrying every second", failure);
            }
            unreadable = true;
        }
    }

    /** Calls one listener. Its exception neither ends the thread nor prevents the delivery to other listeners. */
    private static void deliver(Consumer<Event> listener, Event event) {
        try {
            listener.accept(event);
        } catch (RuntimeException unforeseen) {
            LOG.error("a listener failed to handle {}", event.id(), unforeseen);
        }
    }
}
