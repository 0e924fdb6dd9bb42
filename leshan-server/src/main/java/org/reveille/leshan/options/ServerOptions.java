package org.reveille.leshan.options;

import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.server.StockServer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of the LwM2M server; those of one subject are a class of their own. */
public final class ServerOptions {
    /** Whose behaviour the server has. */
    enum Mode {
        /** As the stock demo server 2.0.0-M18 was recorded. */
        stock
    }

    @Option(names = "--host", defaultValue = "127.0.0.1", paramLabel = "ADDRESS",
            description = "Address to bind, HTTP and CoAP (default: ${DEFAULT-VALUE}).")
    String host;

    @Option(names = "--mode", defaultValue = "stock", paramLabel = "MODE",
            description = "Whose behaviour it has: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Mode mode;

    @Mixin
    HttpOptions http = new HttpOptions();

    @Mixin
    CoapOptions coap = new CoapOptions();

    @Mixin
    LimitOptions limits = new LimitOptions();

    /** Starts what the options ask for. */
    public StockServer start() {
        return new StockServer(new StockServer.Options(
                http.settings(host(http.host), HttpOptions.environmentToken()),
                coap.settings(coapHost(), new Credentials(), limits.maxBody),
                coap.awakeMillis()));
    }

    /** The address that everything binds which is not told another. */
    public String host() {
        return host;
    }

    public String coapHost() {
        return host(coap.host);
    }

    public int maxBody() {
        return limits.maxBody;
    }

    private String host(String own) {
        return own == null ? host : own;
    }
}
