package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** Waiting for conditions that other threads make true. */
public final class Conditions {
    private Conditions() {
    }

    /** Waits until a condition is true; fails after 40 s. It sleeps, because a loop without a pause takes one core. */
    public static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(40).toNanos();
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "did not come true within 40 s");
            LockSupport.parkNanos(5_000_000);
        }
    }
}
