package org.reveille.leshan.server;

import java.net.InetSocketAddress;
import java.util.Optional;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpoint;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;
import org.reveille.leshan.BadSetting;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.Identity;

/**
 * Where and how devices are spoken with.
 *
 * @param host the address to bind
 * @param port CoAP without security; 0 chooses a free one, null does without it
 * @param securePort CoAP over DTLS; 0 chooses a free one, null does without it
 * @param identity the certificate that is shown to devices, and whose word on devices' certificates is taken
 * @param credentials what devices have to show
 * @param maxBody bytes, the largest value in one CoAP message after block-wise transfer
 */
public record CoapSettings(String host, Integer port, Integer securePort, Identity identity, Credentials credentials,
        int maxBody) {
    /** Bytes of a DTLS connection id (RFC 9146): with it a device stays connected when its address changes. */
    private static final int CONNECTION_ID_LENGTH = 6;

    /** Gives a server its CoAP endpoints and everything that they identify devices by. */
    void applyTo(LeshanServerBuilder server) {
        server.setEndpointsProviders(endpoints()).setSecurityStore(credentials);
        if (identity.exists()) {
            server.setPrivateKey(identity.key()).setCertificateChain(identity.chain());
        }
        if (identity.asksForCertificates()) {
            server.setTrustedCertificates(identity.trusted());
        }
    }

    /**
     * Starts a server, with all of its endpoints: by itself it would be content with one of them.
     *
     * @throws BadSetting when a port cannot be had
     */
    static void start(LeshanServer server) {
        try {
            server.start();
        } catch (IllegalStateException notOne) {
            // Told below, by its address.
        }
        trouble(server).ifPresent(sentence -> {
            server.destroy();
            throw new BadSetting(sentence + ": the port is taken, or the address is none of this machine's.");
        });
    }

    /** Which of a server's endpoints is not served, as a sentence. */
    static Optional<String> trouble(LeshanServer server) {
        return server.getEndpoints().stream().map(CaliforniumServerEndpoint.class::cast)
                .filter(endpoint -> !endpoint.getCoapEndpoint().isStarted()).findFirst()
                .map(endpoint -> "CoAP is not served at " + endpoint.getURI());
    }

    private CaliforniumServerEndpointsProvider endpoints() {
        CaliforniumServerEndpointsProvider.Builder endpoints = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider());
        endpoints.setConfiguration(config -> {
            config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, maxBody);
            config.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, CONNECTION_ID_LENGTH);
        });
        if (port != null) {
            endpoints.addEndpoint(new InetSocketAddress(host, port), Protocol.COAP);
        }
        if (securePort != null) {
            endpoints.addEndpoint(new InetSocketAddress(host, securePort), Protocol.COAPS);
        }
        return endpoints.build();
    }
}
