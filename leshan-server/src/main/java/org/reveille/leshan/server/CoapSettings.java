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
import org.reveille.leshan.SettingException;
import org.reveille.leshan.coap.LimitedStack;
import org.reveille.leshan.coap.RefusalLog;
import org.reveille.leshan.coap.SavedState;
import org.reveille.leshan.coap.UnregisteredRateLimit;
import org.reveille.leshan.coap.UploadLimits;
import org.reveille.leshan.monitoring.CoapMetrics;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.DtlsIdentity;
import org.reveille.leshan.security.Identity;

/**
 * Settings of the CoAP endpoints for devices.
 *
 * @param host the address to bind
 * @param port CoAP without security; 0 chooses a free one, null disables it
 * @param securePort CoAP over DTLS; 0 chooses a free one, null disables it
 * @param identity the server's certificate for devices, and the authorities for devices' certificates
 * @param credentials the credentials that devices must present
 * @param maxBody bytes, the largest value in one CoAP message after block-wise transfer
 * @param maxRegistration bytes, the same for peers without a registration; only production mode limits them
 * @param unregisteredRate requests per second of one IP address without a registration, in production mode; 0 for no
 *     limit
 * @param californium applies the operator's values of Californium's own settings, after everything else
 */
public record CoapSettings(String host, Integer port, Integer securePort, Identity identity, Credentials credentials,
        int maxBody, int maxRegistration, int unregisteredRate, Consumer<Configuration> californium) {
    /** Bytes of a DTLS connection id (RFC 9146): with it a device stays connected when its address changes. */
    private static final int CONNECTION_ID_LENGTH = 6;

    /** Configures a server with the stock server's CoAP endpoints and all settings that identify devices. */
    void applyTo(LeshanServerBuilder server, CoapMetrics metrics) {
        server.setSecurityStore(credentials).setEndpointsProviders(endpoints(
                new CoapServerProtocolProvider(), new CoapsServerProtocolProvider(dtls -> configure(dtls, metrics))));
    }

    /**
     * Configures a server with CoAP endpoints that limit the state that unknown peers can create, see
     * {@link UploadLimits}.
     *
     * @param refusals is informed of requests that exceed the limits
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

    /** Limits the rate of requests of unknown peers; must be called after the server is built. */
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
     * Counts the messages of a server's endpoints; must be called before they are started.
     *
     * @throws SettingException if Leshan could not create an endpoint, for which Leshan only writes a line in the log
     */
    void count(LeshanServer server, CoapMetrics metrics) {
        if (securePort != null && server.getEndpoint(Protocol.COAPS) == null) {
            throw new SettingException("CoAP over DTLS cannot be served with this certificate and these --coap-setting: "
                    + "see the log.");
        }
        server.getEndpoints().stream().map(CaliforniumServerEndpoint.class::cast)
                .forEach(endpoint -> endpoint.getCoapEndpoint().addPostProcessInterceptor(metrics));
    }

    /**
     * Starts a server with all of its endpoints: Leshan itself would accept a start with only one of them.
     *
     * @throws SettingException if a port is not available
     */
    static void start(LeshanServer server) {
        try {
            server.start();
        } catch (IllegalStateException notOne) {
            // Reported below, with the endpoint's address.
        }
        problem(server).ifPresent(sentence -> {
            server.destroy();
            throw new SettingException(
                    sentence + ": the port is in use, or the address does not belong to this machine.");
        });
    }

    /** Returns a sentence about an endpoint of the server that is not served, or empty if all are. */
    static Optional<String> problem(LeshanServer server) {
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
