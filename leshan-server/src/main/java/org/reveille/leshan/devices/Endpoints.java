package org.reveille.leshan.devices;

import java.net.InetSocketAddress;
import java.util.function.UnaryOperator;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.Connector;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.leshan.client.endpoint.ClientEndpointToolbox;
import org.eclipse.leshan.client.notification.NotificationManager;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.client.resource.LwM2mObjectTree;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/** A device's CoAP endpoint: a socket behind its gate, run by the executor which all devices share. */
final class Endpoints extends CaliforniumClientEndpointsProvider {
    private final Shared shared;
    private final UnaryOperator<DownlinkRequestReceiver> around;

    private Endpoints(Builder builder, Shared shared, UnaryOperator<DownlinkRequestReceiver> around) {
        super(builder);
        this.shared = shared;
        this.around = around;
    }

    /** @param around puts what the device was told before the receiver of requests */
    static Endpoints create(Shared shared, AirGate gate, UnaryOperator<DownlinkRequestReceiver> around) {
        return new Endpoints(new GatedBuilder(gate, shared.maxBody()), shared, around);
    }

    @Override
    public void init(LwM2mObjectTree objects, DownlinkRequestReceiver receiver, NotificationManager notifications,
            ClientEndpointToolbox toolbox) {
        super.init(objects, around.apply(receiver), notifications, toolbox);
        getCoapServer().setExecutor(shared.protocol(), true);
    }

    /** Observations belong to the socket they were made over: after a change of port none may notify any more. */
    void forgetObservations() {
        getCoapServer().getRoot().getChildren().stream()
                .filter(CoapResource.class::isInstance).map(CoapResource.class::cast)
                .forEach(CoapResource::clearObserveRelations);
    }

    private static final class GatedBuilder extends Builder {
        GatedBuilder(AirGate gate, int maxBody) {
            super(new GatedCoap(gate), new GatedCoaps(gate));
            Configuration configuration = createDefaultConfiguration();
            configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, maxBody);
            // 0: it sends with the connection id which the server chose, and needs none of its own (RFC 9146).
            configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, 0);
            setConfiguration(configuration);
            generateDefaultValue();
        }
    }

    private static final class GatedCoap extends CoapClientProtocolProvider {
        private final AirGate gate;

        GatedCoap(AirGate gate) {
            this.gate = gate;
        }

        @Override
        public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
            return new CoapClientEndpointFactory() {
                @Override
                protected Connector createConnector(InetSocketAddress address, Configuration configuration) {
                    return gate.connector(address, configuration);
                }
            };
        }
    }

    private static final class GatedCoaps extends CoapsClientProtocolProvider {
        private final AirGate gate;

        GatedCoaps(AirGate gate) {
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
