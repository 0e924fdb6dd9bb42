package org.reveille.leshan.options;

import picocli.CommandLine.Option;

/** Where the REST API is served. */
@Section("REST API and event stream")
public final class HttpOptions {
    @Option(names = "--http-host", paramLabel = "ADDRESS", description = "Address to bind (default: that of --host).")
    String host;

    @Option(names = "--http-port", defaultValue = "8080", paramLabel = "PORT",
            description = "0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int port;
}
