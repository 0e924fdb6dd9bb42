package org.reveille.leshan.options;

import picocli.CommandLine.Option;

/** Where and how devices are spoken with. */
@Section("CoAP")
public final class CoapOptions {
    @Option(names = "--coap-host", paramLabel = "ADDRESS", description = "Address to bind (default: that of --host).")
    String host;

    @Option(names = "--coap-port", defaultValue = "5683", paramLabel = "PORT",
            description = "CoAP without security; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(names = "--awake-time", defaultValue = "93", paramLabel = "SECONDS",
            description = "How long a client in queue mode counts as awake once heard; fractions are allowed "
                    + "(default: ${DEFAULT-VALUE}).")
    double awakeSeconds;

    int awakeMillis() {
        return (int) Math.round(awakeSeconds * 1000);
    }
}
