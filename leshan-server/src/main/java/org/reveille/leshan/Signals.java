package org.reveille.leshan;

import java.util.List;
import sun.misc.Signal;

/**
 * Handles signals of the process. Java has no other interface for them than {@code sun.misc.Signal} of the module
 * {@code jdk.unsupported}. A signal that is ignored at the start, such as SIGHUP under `nohup`, stays ignored.
 */
final class Signals {
    private Signals() {
    }

    /** Exits with code 0 on SIGTERM and SIGINT; Java's own is 143 or 130, which supervisors treat as a failure. */
    static void exitInOrder() {
        List.of("TERM", "INT").forEach(name -> handle(name, () -> System.exit(0)));
    }

    /** Runs an action at each SIGHUP, on a separate thread. Without this, SIGHUP ends the process. */
    static void onHangUp(Runnable work) {
        handle("HUP", work);
    }

    private static void handle(String name, Runnable work) {
        try {
            Signal.handle(new Signal(name), signal -> work.run());
        } catch (IllegalArgumentException notOurs) {
            // Java was started with -Xrs: the operator wants no signal handlers.
        }
    }
}
