package org.reveille.leshan.events;

import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells listeners what has been written. It reads it from the disk: so nobody hears of what was not written after all. */
final class EventTeller implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventTeller.class);

    private static final long RETRY_MS = 1_000;

    private final Outbox outbox;
    private final List<Consumer<Event>> listeners = new CopyOnWriteArrayList<>();
    private final Semaphore news = new Semaphore(0);
    private final Thread thread = new Thread(this::run, "events");
    private long told;
    private boolean unreadable;

    /** @param told the number of the last event that is not to be told */
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

    /** Tells what has been written until now. */
    @Override
    public void close() throws InterruptedException {
        thread.interrupt();
        thread.join();
    }

    private void run() {
        try {
            while (true) {
                // What could not be read is read again without waiting for a further event.
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

    /** What one listener throws neither ends the thread nor keeps the event from the others. */
    private static void tell(Consumer<Event> listener, Event event) {
        try {
            listener.accept(event);
        } catch (RuntimeException unforeseen) {
            LOG.error("a listener could not be told of {}", event.id(), unforeseen);
        }
    }
}
