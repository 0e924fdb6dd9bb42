package org.reveille.leshan.options;

import java.nio.file.Path;
import java.util.List;
import org.reveille.leshan.Reload;
import org.reveille.leshan.SettingException;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.server.CoapSettings;
import picocli.CommandLine.Option;

/** Options of the CoAP endpoints for devices. */
@Section("CoAP")
public final class CoapOptions {
    private static final int DEFAULT_SECURE_PORT = 5684;

    @Option(names = "--coap-host", paramLabel = "ADDRESS",
            description = "Address to bind, for CoAP and CoAPS (default: that of --host).")
    String host;

    @Option(names = "--coap-port", defaultValue = "5683", paramLabel = "PORT",
            description = "Port of CoAP without security; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(names = "--no-coap", description = "Disable CoAP without security: every device must use CoAPS.")
    boolean secureOnly;

    @Option(names = "--insecure-coap",
            description = "Allow CoAP without security from other machines. Any sender that reaches the port can "
                    + "impersonate any device.")
    boolean insecure;

    @Option(names = "--coaps-port", paramLabel = "PORT",
            description = "Port of CoAP over DTLS; 0 chooses a free port (default: " + DEFAULT_SECURE_PORT
                    + " if there is a certificate or a device has credentials, otherwise off).")
    Integer securePort;

    @Option(names = "--coaps-cert", paramLabel = "FILE",
            description = "Certificate of the server for devices that use X.509 or raw public keys: PEM, on curve "
                    + "P-256.")
    Path certificate;

    @Option(names = "--coaps-key", paramLabel = "FILE", description = "Private key of --coaps-cert: PEM, PKCS #8.")
    Path key;

    @Option(names = "--coaps-trust", paramLabel = "FILE",
            description = "Authorities that sign the certificates of devices, whose common name is the endpoint name: "
                    + "PEM.")
    Path authorities;

    @Option(names = "--awake-time", defaultValue = "93", paramLabel = "SECONDS",
            description = "How long a client in queue mode counts as awake after a message of it; fractions are "
                    + "allowed (default: ${DEFAULT-VALUE}).")
    double awakeSeconds;

    @Option(names = "--coap-setting", paramLabel = "KEY=VALUE", split = " ",
            description = "A setting of Californium by its own name, such as COAP.ACK_TIMEOUT=3[s], COAP.MAX_RETRANSMIT=6, "
                    + "COAP.PREFERRED_BLOCK_SIZE=512 or DTLS.MAX_CONNECTIONS=20000. Can be repeated.")
    List<String> californium;

    int awakeMillis() {
        long millis = Math.round(awakeSeconds * 1000);
        // Leshan treats 0 as infinite.
        if (millis < 1 || millis > Integer.MAX_VALUE) {
            throw new SettingException("--awake-time: 0.001 to " + Integer.MAX_VALUE / 1000 + " s is expected, not "
                    + awakeSeconds + ".");
        }
        return (int) millis;
    }

    /**
     * Returns the settings.
     *
     * @throws SettingException if they would serve devices of other machines without security, or no devices
     */
    CoapSettings settings(String address, Credentials credentials, LimitOptions limits, Reload reload) {
        Bounds.checkPort("--coap-port", port);
        Bounds.checkPort("--coaps-port", securePort);
        Identity identity = Identity.read("--coaps", certificate, key, "--coaps-trust", authorities);
        reload.add(identity::reload);
        Integer secure = securePort(identity, credentials);
        if (secureOnly && secure == null) {
            throw new SettingException("--no-coap leaves no port for devices: give --coaps-port too.");
        }
        if (!secureOnly && !insecure && !Addresses.isLoopback(address)) {
            throw new SettingException("CoAP at " + address + " would be without security: give --no-coap for CoAPS "
                    + "only, bind 127.0.0.1 with --coap-host, or give --insecure-coap if the network is trusted.");
        }
        return new CoapSettings(address, secureOnly ? null : port, secure, identity, credentials, limits.maxBody,
                limits.maxRegistration, limits.unregisteredRate, CaliforniumSettings.read(californium));
    }

    private Integer securePort(Identity identity, Credentials credentials) {
        if (securePort == null && (identity.exists() || !credentials.isEmpty())) {
            return DEFAULT_SECURE_PORT;
        }
        return securePort;
    }
}
