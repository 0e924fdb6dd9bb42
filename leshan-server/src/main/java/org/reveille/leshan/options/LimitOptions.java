package org.reveille.leshan.options;

import picocli.CommandLine.Option;

/** Options that limit sizes, rates and durations. */
@Section("Limits")
public final class LimitOptions {
    private static final int LONGEST_DRAIN_S = 3_600;
    private static final int LONGEST_BUSY_S = 86_400;

    @Option(names = "--max-body", defaultValue = "131072", paramLabel = "BYTES",
            description = "Maximum size of a value, after block-wise transfer (default: ${DEFAULT-VALUE}).")
    int maxBody;

    @Option(names = "--max-registration", defaultValue = "16384", paramLabel = "BYTES",
            description = "Maximum size of the list of objects in a registration, after block-wise transfer, up to "
                    + "--max-body; larger ones are answered with 4.13. Production mode only (default: "
                    + "${DEFAULT-VALUE}).")
    int maxRegistration;

    @Option(names = "--unregistered-rate", defaultValue = "200", paramLabel = "N",
            description = "Maximum number of CoAP requests per second of one IP address without a registration, and "
                    + "ten times as many in a burst; further ones are dropped. 0 for no limit. Production mode only "
                    + "(default: ${DEFAULT-VALUE}).")
    int unregisteredRate;

    @Option(names = "--max-open-calls", defaultValue = "2000", paramLabel = "N",
            description = "Maximum number of calls that wait for their devices; further ones are answered with 429 "
                    + "(default: ${DEFAULT-VALUE}).")
    int maxOpenCalls;

    @Option(names = "--busy-seconds", defaultValue = "93", paramLabel = "SECONDS",
            description = "How long a call whose device acknowledged it without answering prevents other calls to that "
                    + "device, after the last datagram of either side (default: ${DEFAULT-VALUE}, CoAP's "
                    + "MAX_TRANSMIT_WAIT).")
    int busySeconds;

    @Option(names = "--drain-seconds", defaultValue = "8", paramLabel = "SECONDS",
            description = "How long the server waits after SIGTERM for open calls; new ones are answered with 503 "
                    + "meanwhile (default: ${DEFAULT-VALUE}).")
    int drainSeconds;

    /**
     * Checks the limits.
     *
     * @throws org.reveille.leshan.SettingException if the server could not work within them
     */
    void check() {
        Bounds.check("--max-body", maxBody, 1, Integer.MAX_VALUE);
        Bounds.check("--max-registration", maxRegistration, 1, Integer.MAX_VALUE);
        Bounds.check("--unregistered-rate", unregisteredRate, 0, Integer.MAX_VALUE);
        Bounds.check("--max-open-calls", maxOpenCalls, 1, Integer.MAX_VALUE);
        Bounds.check("--busy-seconds", busySeconds, 1, LONGEST_BUSY_S);
        Bounds.check("--drain-seconds", drainSeconds, 0, LONGEST_DRAIN_S);
    }
}
