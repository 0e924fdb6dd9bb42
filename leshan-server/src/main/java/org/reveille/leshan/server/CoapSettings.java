package org.reveille.leshan.server;

import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.function.Consumer;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.leshan.core.endpoint.EndPointUriHandler;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.registration.InMemoryRegistrationStore;
import org.eclipse.leshan.server.registration.RegistrationStore;
import org.eclipse.leshan.transport.californium.identity.DefaultCoapIdentityHandler;
import org.eclipse.leshan.transport.californium.identity.DefaultCoapsIdentityHandler;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpoint;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointFactory;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.ServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerEndpointFactoryBuilder;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerEndpointFactoryBuilder;
import org.eclipse.leshan.transport.californium.server.endpoint.coaps.CoapsServerProtocolProvider;
import org.reveille.leshan.BadSetting;
import org.reveille.leshan.coap.LimitedStack;
import org.reveille.leshan.coap.RefusalLog;
import org.reveille.leshan.coap.SavedState;
import org.reveille.leshan.coap.UnregisteredRateLimit;
import org.reveille.leshan.coap.UploadLimits;
import org.reveille.leshan.operations.CoapMetrics;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.DtlsIdentity;
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
 * @param maxRegistration bytes, the same of peers without a registration; production mode alone bounds them
 * @param unregisteredRate requests a second of one IP address without a registration, in production mode; 0 for any
 * @param californium sets what the operator wants of Californium's own settings, after everything else
 */
public record CoapSettings(String host, Integer port, Integer securePort, Identity identity, Credentials credentials,
        int maxBody, int maxRegistration, int unregisteredRate, Consumer<Configuration> californium) {
    /** Bytes of a DTLS connection id (RFC 9146): with it a device stays connected when its address changes. */
    private static final int CONNECTION_ID_LENGTH = 6;

    /** Gives a server the stock server's CoAP endpoints and everything that they identify devices by. */
    void applyTo(LeshanServerBuilder server, CoapMetrics metrics) {
        server.setSecurityStore(credentials).setEndpointsProviders(endpoints(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider(dtls -> configure(dtls, metrics))));
    }

    /**
     * Gives a server CoAP endpoints with bounds for what unknown peers may make it keep, see {@link UploadLimits}.
     *
     * @param refusals is informed of requests that exceed them
     */
    void applyTo(LeshanServerBuilder server, CoapMetrics metrics, RefusalLog refusals) {
        RegistrationStore registrations = new InMemoryRegistrationStore();
        server.setRegistrationStore(registrations).setSecurityStore(credentials);
        UploadLimits limits = UploadLimits.of(maxBody, maxRegistration);
        server.setEndpointsProviders(endpoints(new CoapServerProtocolProvider() {
            @Override
            public CaliforniumServerEndpointFactory createDefaultEndpointFactory(
                    EndpointUri uri, EndPointUriHandler handler) {
                return new CoapServerEndpointFactoryBuilder(handler).setURI(uri).setCoapEndpointConfig(endpoint ->
                        LimitedStack.install(endpoint, registrations, new DefaultCoapIdentityHandler(), limits,
                                refusals)).build();
            }
        }, new CoapsServerProtocolProvider() {
            @Override
            public CaliforniumServerEndpointFactory createDefaultEndpointFactory(
                    EndpointUri uri, EndPointUriHandler handler) {
                return new CoapsServerEndpointFactoryBuilder(handler).setURI(uri).setCoapEndpointConfig(endpoint ->
                        LimitedStack.install(endpoint, registrations, new DefaultCoapsIdentityHandler(), limits,
                                refusals)).setDtlsConnectorConfig(dtls -> configure(dtls, metrics)
                                        .setSerializationLabel(SavedState.DTLS_LABEL)).build();
            }
        }));
    }

    /** Bounds the rate of requests of unknown peers; call it once the server is built. */
    void limitRate(LeshanServer server, RefusalLog refusals) {
        if (unregisteredRate > 0) {
            server.getEndpoints().stream().map(CaliforniumServerEndpoint.class::cast).forEach(endpoint ->
                    UnregisteredRateLimit.install(endpoint.getCoapEndpoint(), server.getRegistrationStore(),
                            endpoint.getProtocol().equals(Protocol.COAPS)
                                    ? new DefaultCoapsIdentityHandler() : new DefaultCoapIdentityHandler(),
                            unregisteredRate, refusals));
        }
    }

    private DtlsConnectorConfig.Builder configure(DtlsConnectorConfig.Builder dtls, CoapMetrics metrics) {
        DtlsIdentity.install(identity, dtls);
        return dtls.setHealthHandler(metrics);
    }

    /**
     * Has a server's endpoints counted, before they are started.
     *
     * @throws BadSetting when Leshan could not make one, of which it says no more than a line of the log
     */
    void count(LeshanServer server, CoapMetrics metrics) {
        if (securePort != null && server.getEndpoint(Protocol.COAPS) == null) {
            throw new BadSetting("CoAP over DTLS cannot be served with this certificate and these --coap-setting: "
                    + "the log says why.");
        }
        server.getEndpoints().stream().map(CaliforniumServerEndpoint.class::cast)
                .forEach(endpoint -> endpoint.getCoapEndpoint().addPostProcessInterceptor(metrics));
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

    private CaliforniumServerEndpointsProvider endpoints(ServerProtocolProvider... protocols) {
        CaliforniumServerEndpointsProvider.Builder endpoints =
                new CaliforniumServerEndpointsProvider.Builder(protocols);
        endpoints.setConfiguration(config -> {
            config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, maxBody);
            config.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, CONNECTION_ID_LENGTH);
            californium.accept(config);
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
