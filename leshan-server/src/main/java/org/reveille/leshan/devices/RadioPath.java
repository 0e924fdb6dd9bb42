package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One direction of a radio. Each datagram consumes the same four random numbers whatever happens to it, so that with
 * the same seed the n-th datagram is always treated the same.
 */
final class RadioPath {
    private static final long GAP_MS = 20;

    private final ScheduledExecutorService timer;
    private Random random = new Random();
    private RadioConditions conditions = RadioConditions.IDEAL;
    private boolean holding;
    private boolean draining;
    private final Queue<Runnable> held = new ArrayDeque<>();
    private long carried;
    private long lost;
    private long duplicated;

    RadioPath(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    synchronized RadioConditions conditions() {
        return conditions;
    }

    synchronized void conditions(RadioConditions wanted) {
        conditions = wanted;
    }

    synchronized void seed(long seed) {
        random = new Random(seed);
    }

    /** Loses, duplicates, delays or holds a datagram, or delivers it immediately. */
    synchronized void pass(Runnable delivery) {
        for (long delay : delays()) {
            if (holding) {
                held.add(delivery);
            } else if (delay == 0) {
                delivery.run();
            } else {
                timer.schedule(delivery, delay, TimeUnit.MILLISECONDS);
            }
        }
    }

    /**
     * Holds datagrams from now on, as in an operator's buffers; {@code false} delivers them in their order of arrival,
     * each a moment after the other: a CoAP stack with several threads would reorder simultaneous ones.
     */
    synchronized void hold(boolean wanted) {
        draining = holding && !wanted;
        holding = wanted || draining;
        drain();
    }

    private synchronized void drain() {
        if (!draining) {
            return;
        }
        if (held.isEmpty()) {
            draining = false;
            holding = false;
        } else {
            held.remove().run();
            timer.schedule(this::drain, GAP_MS, TimeUnit.MILLISECONDS);
        }
    }

    synchronized ObjectNode write() {
        return conditions.write().put("carried", carried).put("lost", lost).put("duplicated", duplicated)
                .put("held", held.size());
    }

    /** Returns the delay of each copy of the next datagram; none if it is lost. */
    private List<Long> delays() {
        boolean loses = random.nextDouble() * 100 < conditions.loss();
        boolean doubles = random.nextDouble() * 100 < conditions.duplicates();
        long first = delay();
        long second = delay();
        if (loses) {
            lost++;
            return List.of();
        }
        carried++;
        if (doubles) {
            duplicated++;
        }
        return doubles ? List.of(first, second) : List.of(first);
    }

    private long delay() {
        return conditions.delayMillis() + (long) (random.nextDouble() * (conditions.spreadMillis() + 1));
    }
}
