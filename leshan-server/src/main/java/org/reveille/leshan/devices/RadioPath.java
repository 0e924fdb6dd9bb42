package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One direction of a radio. Each datagram uses up the same four random numbers whatever becomes of it, so that with the
 * same seed the n-th datagram meets the same fate.
 */
final class RadioPath {
    private static final long GAP_MS = 20;

    private final ScheduledExecutorService timer;
    private Random random = new Random();
    private Weather weather = Weather.FAIR;
    private boolean holding;
    private boolean draining;
    private final Queue<Runnable> held = new ArrayDeque<>();
    private long carried;
    private long lost;
    private long duplicated;

    RadioPath(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    synchronized Weather weather() {
        return weather;
    }

    synchronized void weather(Weather wanted) {
        weather = wanted;
    }

    synchronized void seed(long seed) {
        random = new Random(seed);
    }

    /** Loses, doubles, delays or holds a datagram, or delivers it at once. */
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
     * From now on datagrams wait, as in an operator's buffers; {@code false} delivers them in the order they came, each
     * a moment after the other: a CoAP stack of several threads would mix up what comes at once.
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
        return weather.write().put("carried", carried).put("lost", lost).put("duplicated", duplicated)
                .put("held", held.size());
    }

    /** How late each copy of the next datagram comes; none when it is lost. */
    private List<Long> delays() {
        boolean loses = random.nextDouble() * 100 < weather.loss();
        boolean doubles = random.nextDouble() * 100 < weather.duplicates();
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
        return weather.delayMillis() + (long) (random.nextDouble() * (weather.spreadMillis() + 1));
    }
}
