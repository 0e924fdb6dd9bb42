package org.reveille.leshan.server;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.reveille.leshan.server.Failure.Code;

/**
 * The calls whose device has not answered yet: one per registration, and a limited number in total. An overdue call
 * stays open, but another one may be opened beside it.
 */
final class OpenCalls {
    /** One open call. */
    static final class Call {
        private final String registration;
        private final BooleanSupplier overdue;

        /**
         * Creates a call.
         *
         * @param overdue whether the call no longer prevents others from being opened; evaluated when another one
         *     arrives
         */
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

    /**
     * Creates an empty set of calls.
     *
     * @param most maximum number of open calls, overdue ones included
     */
    OpenCalls(int most) {
        this.most = most;
    }

    /** Opens a call. Returns null, or the reason why it must not be opened. */
    synchronized Failure open(Call call) {
        if (closed) {
            return Failure.refusal(Code.SHUTTING_DOWN, "Shutting down: this server accepts no further calls");
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
     * @param ifNewest runs before another call can be opened, unless one was opened beside this one
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

    /** Refuses every further call, and waits for the open ones. Returns how many are still open when the time has elapsed. */
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
