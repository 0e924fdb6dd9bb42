package org.reveille.leshan.server;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.reveille.leshan.server.Failure.Code;

/**
 * The calls whose device has not answered yet: one per registration, and not too many together. A call that is overdue
 * stays open, but another one may be opened beside it.
 */
final class OpenCalls {
    /** One call. */
    static final class Call {
        private final String registration;
        private final BooleanSupplier overdue;

        /** @param overdue whether it no longer keeps others from being opened; asked for when another one comes */
        Call(String registration, BooleanSupplier overdue) {
            this.registration = registration;
            this.overdue = overdue;
        }
    }

    private final int most;
    private final Set<Call> open = new HashSet<>();
    /** The newest open call of each registration. */
    private final Map<String, Call> newest = new HashMap<>();
    private boolean closed;

    /** @param most how many may be open together, overdue ones included */
    OpenCalls(int most) {
        this.most = most;
    }

    /** Opens a call. Returns null, or why it may not be. */
    synchronized Failure open(Call call) {
        if (closed) {
            return Failure.refusal(Code.SHUTTING_DOWN, "Shutting down: this server takes no more calls");
        }
        Call other = newest.get(call.registration);
        if (other != null && !other.overdue.getAsBoolean()) {
            return Failure.refusal(Code.BUSY, "Busy: another call to this client is open");
        }
        if (open.size() >= most) {
            return Failure.refusal(Code.TOO_MANY_CALLS, "Too many calls: " + most + " are open");
        }
        open.add(call);
        newest.put(call.registration, call);
        return null;
    }

    /**
     * Closes a call.
     *
     * @param ifNewest done before another call can be opened, unless one was opened beside this one
     */
    synchronized void done(Call call, Runnable ifNewest) {
        open.remove(call);
        if (newest.remove(call.registration, call)) {
            ifNewest.run();
        }
        notifyAll();
    }

    synchronized int size() {
        return open.size();
    }

    int most() {
        return most;
    }

    /** Refuses every further call, and waits for the open ones. Returns how many are open still when the time is up. */
    synchronized int drain(long millis) throws InterruptedException {
        closed = true;
        long end = System.nanoTime() + millis * 1_000_000;
        long left = millis;
        while (!open.isEmpty() && left > 0) {
            wait(left);
            left = (end - System.nanoTime()) / 1_000_000;
        }
        return open.size();
    }
}
