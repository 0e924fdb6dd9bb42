package org.reveille.leshan.server;

import java.util.HashSet;
import java.util.Set;
import org.reveille.leshan.server.Failure.Code;

/** The calls whose device has not answered yet: one per registration, and not too many together. */
final class OpenCalls {
    private final int most;
    private final Set<String> registrations = new HashSet<>();
    private boolean closed;

    /** @param most how many may be open together */
    OpenCalls(int most) {
        this.most = most;
    }

    /** Opens a call to a registration. Returns null, or why it may not be. */
    synchronized Failure open(String registration) {
        if (closed) {
            return Failure.refusal(Code.SHUTTING_DOWN, "Shutting down: this server takes no more calls");
        }
        if (registrations.contains(registration)) {
            return Failure.refusal(Code.BUSY, "Busy: another call to this client is open");
        }
        if (registrations.size() >= most) {
            return Failure.refusal(Code.TOO_MANY_CALLS, "Too many calls: " + most + " are open");
        }
        registrations.add(registration);
        return null;
    }

    synchronized void done(String registration) {
        registrations.remove(registration);
        notifyAll();
    }

    synchronized int size() {
        return registrations.size();
    }

    int most() {
        return most;
    }

    /** Refuses every further call, and waits for the open ones. Returns how many are open still when the time is up. */
    synchronized int drain(long millis) throws InterruptedException {
        closed = true;
        long end = System.nanoTime() + millis * 1_000_000;
        long left = millis;
        while (!registrations.isEmpty() && left > 0) {
            wait(left);
            left = (end - System.nanoTime()) / 1_000_000;
        }
        return registrations.size();
    }
}
