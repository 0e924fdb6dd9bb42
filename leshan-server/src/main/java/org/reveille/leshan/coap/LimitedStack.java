package org.reveille.leshan.coap;

import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.CoapStackFactory;
import org.eclipse.californium.core.network.Outbox;
import org.eclipse.californium.core.network.stack.BaseCoapStack;
import org.eclipse.californium.core.network.stack.BlockwiseLayer;
import org.eclipse.californium.core.network.stack.CoapUdpStack;
import org.eclipse.californium.core.network.stack.CongestionControlLayer;
import org.eclipse.californium.core.network.stack.ExchangeCleanupLayer;
import org.eclipse.californium.core.network.stack.Layer;
import org.eclipse.californium.core.network.stack.ObserveLayer;
import org.eclipse.californium.elements.EndpointContextMatcher;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.leshan.core.peer.LwM2mPeer;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationStore;
import org.eclipse.leshan.transport.californium.identity.IdentityHandler;

/** Californium's {@link CoapUdpStack} with limits for block-wise uploads. */
public final class LimitedStack extends BaseCoapStack {
    private LimitedStack(String tag, Configuration config, EndpointContextMatcher matcher, Outbox outbox,
            UploadLimiter limiter) {
        super(outbox);
        setLayers(new Layer[] {new ExchangeCleanupLayer(config), new ObserveLayer(config),
            new BlockwiseLayer(tag, false, config, matcher), limiter,
            CongestionControlLayer.newImplementation(tag, config)});
    }

    /**
     * Installs this stack in a CoAP endpoint of a Leshan server.
     *
     * @param identities determines the identities of this endpoint's peers, as Leshan does
     */
    public static void install(CoapEndpoint.Builder endpoint, RegistrationStore registrations,
            IdentityHandler identities, UploadLimits limits, RefusalLog refusals) {
        CoapStackFactory factory = (protocol, tag, config, matcher, outbox, none) ->
                new LimitedStack(tag, config, matcher, outbox, new UploadLimiter(tag, config, matcher,
                        request -> registration(request, registrations, identities), limits, refusals));
        endpoint.setCoapStackFactory(factory);
    }

    /** Returns the registration of a request's sender, or null. */
    static Registration registration(
            Request request, RegistrationStore registrations, IdentityHandler identities) {
        try {
            LwM2mPeer peer = identities.getIdentity(request);
            return peer == null ? null : registrations.getRegistrationByIdentity(peer.getIdentity());
        } catch (IllegalStateException unidentified) {
            // A certificate without a common name.
            return null;
        }
    }
}
