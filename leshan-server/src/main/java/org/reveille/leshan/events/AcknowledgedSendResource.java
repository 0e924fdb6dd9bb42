package org.reveille.leshan.events;

import java.util.concurrent.CompletableFuture;
import org.eclipse.californium.core.CoapExchange;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.server.resources.Resource;
import org.eclipse.leshan.transport.californium.LwM2mCoapResource;
import org.eclipse.leshan.transport.californium.identity.IdentityHandlerProvider;

/**
 * The CoAP resource `/dp` for LwM2M Send, which answers 2.04 only when the event SEND is on disk, and 5.03 if it could
 * not be written, so that the device keeps its values. Leshan's own resource handles the request, and would have
 * answered before the event was written; its response is held back meanwhile. No thread waits.
 */
public final class AcknowledgedSendResource extends LwM2mCoapResource {
    private static final String NAME = "dp";

    private final CoapResource delegate;
    private final ServerEvents events;

    private AcknowledgedSendResource(CoapResource delegate, ServerEvents events) {
        super(NAME, new IdentityHandlerProvider());
        this.delegate = delegate;
        this.events = events;
    }

    /**
     * Replaces Leshan's resource.
     *
     * @param server {@code CaliforniumServerEndpointsProvider.getCoapServer()}, once the LwM2M server is built
     */
    public static void install(CoapServer server, ServerEvents events) {
        Resource delegate = server.getRoot().getChild(NAME);
        server.remove(delegate);
        server.add(new AcknowledgedSendResource((CoapResource) delegate, events));
    }

    @Override
    public void handlePOST(CoapExchange exchange) {
        events.takeSent();
        HeldExchange held = new HeldExchange(exchange);
        delegate.handlePOST(held);
        CompletableFuture<Event> sent = events.takeSent();
        if (sent == null) {
            held.release();
        } else {
            sent.whenComplete((event, failure) -> {
                if (failure == null) {
                    held.release();
                } else {
                    exchange.respond(ResponseCode.SERVICE_UNAVAILABLE);
                }
            });
        }
    }

    /** An exchange whose response is held back. */
    private static final class HeldExchange extends CoapExchange {
        private Response answer;

        HeldExchange(CoapExchange exchange) {
            super(exchange.advanced());
        }

        @Override
        public void respond(Response response) {
            answer = response;
        }

        void release() {
            super.respond(answer);
        }
    }
}
