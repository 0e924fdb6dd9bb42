package org.reveille.leshan.devices;

import java.net.InetSocketAddress;
import java.security.cert.Certificate;
import java.util.List;
import java.util.function.UnaryOperator;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.interceptors.MessageInterceptor;
import org.eclipse.californium.elements.Connector;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.leshan.client.endpoint.ClientEndpointToolbox;
import org.eclipse.leshan.client.notification.NotificationManager;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.client.resource.LwM2mObjectTree;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.client.servers.ServerInfo;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpoint;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/** A device's CoAP endpoint: a socket behind its gate, run by the executor that all devices share. */
final class GatedEndpointsProvider extends CaliforniumClientEndpointsProvider {
    private final SharedResources shared;
    private final boolean observes;
    private final UnaryOperator<DownlinkRequestReceiver> around;

    private GatedEndpointsProvider(Builder builder, SharedResources shared, boolean observes,
            UnaryOperator<DownlinkRequestReceiver> around) {
        super(builder);
        this.shared = shared;
        this.observes = observes;
        this.around = around;
    }

    /**
     * Creates the endpoint.
     *
     * @param port the first local port without DTLS, as before a reboot; 0 for a free one
     * @param observes whether it supports CoAP's Observe; otherwise it answers an observe as a plain read (RFC 7641,
     *     4.1)
     * @param around wraps the receiver of requests with the device's behaviors
     */
    static GatedEndpointsProvider create(SharedResources shared, DatagramGate gate, int port, boolean observes,
            UnaryOperator<DownlinkRequestReceiver> around) {
        return new GatedEndpointsProvider(new GatedBuilder(gate, shared.maxBody(), port), shared, observes, around);
    }

    @Override
    public void init(LwM2mObjectTree objects, DownlinkRequestReceiver receiver, NotificationManager notifications,
            ClientEndpointToolbox toolbox) {
        super.init(objects, around.apply(receiver), notifications, toolbox);
        getCoapServer().setExecutor(shared.protocol(), true);
    }

    @Override
    public LwM2mServer createEndpoint(ServerInfo info, boolean clientInitiatedOnly, List<Certificate> trustStore,
            ClientEndpointToolbox toolbox) {
        LwM2mServer server = super.createEndpoint(info, clientInitiatedOnly, trustStore, toolbox);
        if (!observes && getEndpoint(server) instanceof CaliforniumClientEndpoint endpoint) {
            endpoint.getCoapEndpoint().addInterceptor(new MessageInterceptor() {
                @Override
                public void receiveRequest(Request request) {
                    request.getOptions().removeObserve();
                }
            });
        }
        return server;
    }

    /** Ends all observations. They belong to the socket on which they were made: after a change of port none may notify. */
    void clearObservations() {
        getCoapServer().getRoot().getChildren().stream()
                .filter(CoapResource.class::isInstance).map(CoapResource.class::cast)
                .forEach(CoapResource::clearObserveRelations);
    }

    /** Builds a provider whose connectors are behind the gate. */
    private static final class GatedBuilder extends Builder {
        GatedBuilder(DatagramGate gate, int maxBody, int port) {
            super(new GatedCoap(gate, port), new GatedCoaps(gate));
            Configuration configuration = createDefaultConfiguration();
            configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, maxBody);
            // 0: it sends with the connection id that the server chose, and needs none of its own (RFC 9146).
            configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, 0);
            setConfiguration(configuration);
            generateDefaultValue();
        }
    }

    /** Creates CoAP endpoints behind the gate. */
    private static final class GatedCoap extends CoapClientProtocolProvider {
        private final DatagramGate gate;
        private int port;

        GatedCoap(DatagramGate gate, int port) {
            this.gate = gate;
            this.port = port;
        }

        @Override
        public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
            return new CoapClientEndpointFactory() {
                @Override
                protected Connector createConnector(InetSocketAddress address, Configuration configuration) {
                    InetSocketAddress bound = new InetSocketAddress(address.getAddress(), port);
                    port = 0;
                    return gate.connector(bound, configuration);
                }
            };
        }
    }

    /** Creates CoAP over DTLS endpoints behind the gate. */
    private static final class GatedCoaps extends CoapsClientProtocolProvider {
        private final DatagramGate gate;

        GatedCoaps(DatagramGate gate) {
            this.gate = gate;
        }

        @Override
        public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
            return new CoapsClientEndpointFactory() {
                @Override
                protected Connector createSecuredConnector(DtlsConnectorConfig configuration) {
                    return gate.connector(configuration);
                }
            };
        }
    }
}
