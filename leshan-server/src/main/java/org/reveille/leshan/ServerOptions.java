package org.reveille.leshan;

import org.reveille.leshan.server.StockServer;
import picocli.CommandLine.Option;

/** Options of the LwM2M server. */
final class ServerOptions {
    /** Whose behaviour the server has. */
    enum Mode {
        /** As the stock demo server 2.0.0-M18 was recorded. */
        stock
    }

    @Option(names = "--host", defaultValue = "127.0.0.1", paramLabel = "ADDRESS",
            description = "Address to bind, HTTP and CoAP (default: ${DEFAULT-VALUE}). There is no authentication.")
    String host;

    @Option(names = "--http-port", defaultValue = "8080", paramLabel = "PORT",
            description = "REST API and event stream; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int httpPort;

    @Option(names = "--coap-port", defaultValue = "5683", paramLabel = "PORT",
            description = "CoAP without security; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int coapPort;

    @Option(names = "--awake-time", defaultValue = "93", paramLabel = "SECONDS",
            description = "How long a client in queue mode counts as awake once heard; fractions are allowed "
                    + "(default: ${DEFAULT-VALUE}).")
    double awakeSeconds;

    @Option(names = "--mode", defaultValue = "stock", paramLabel = "MODE",
            description = "Whose behaviour it has: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Mode mode;

    StockServer start(int maxBody) {
        return new StockServer(new StockServer.Options(
                host, httpPort, coapPort, (int) Math.round(awakeSeconds * 1000), maxBody));
    }
}
