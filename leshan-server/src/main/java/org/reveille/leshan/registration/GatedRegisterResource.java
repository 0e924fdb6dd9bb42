package org.reveille.leshan.registration;

import java.net.InetSocketAddress;
import java.security.Principal;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.core.server.resources.Resource;
import org.eclipse.leshan.servers.security.SecurityStore;
import org.reveille.leshan.registration.RegistrationWebhook.Decision;
import org.reveille.leshan.registration.RegistrationWebhook.Device;

/**
 * The CoAP resource `/rd`, which requests a decision of a webhook before it passes a registration on to Leshan's own
 * resource. Without a cached decision the request is acknowledged immediately and answered by a separate response (RFC
 * 7252, 5.2.2): no thread of CoAP waits. Updates and deregistrations are passed on.
 */
public final class GatedRegisterResource extends CoapResource {
    private static final String NAME = "rd";
    private static final String ENDPOINT = "ep";

    private final Resource delegate;
    private final RegistrationWebhook webhook;
    private final SecurityStore credentials;
    private final Consumer<String> refused;

    private GatedRegisterResource(
            Resource delegate, RegistrationWebhook webhook, SecurityStore credentials, Consumer<String> refused) {
        super(NAME);
        this.delegate = delegate;
        this.webhook = webhook;
        this.credentials = credentials;
        this.refused = refused;
        getAttributes().addResourceType("core.rd");
    }

    /**
     * Replaces Leshan's resource.
     *
     * @param server {@code CaliforniumServerEndpointsProvider.getCoapServer()}, once the LwM2M server is built
     * @param refused receives {@code webhook} or {@code webhook_unavailable} for each refused registration
     */
    public static void install(
            CoapServer server, RegistrationWebhook webhook, SecurityStore credentials, Consumer<String> refused) {
        Resource delegate = server.getRoot().getChild(NAME);
        server.remove(delegate);
        server.add(new GatedRegisterResource(delegate, webhook, credentials, refused));
    }

    /** Returns this resource, as Leshan's RegisterResource does: it handles `/rd/{registration}` too. */
    @Override
    public Resource getChild(String name) {
        return this;
    }

    @Override
    public void handleRequest(Exchange exchange) {
        Request request = exchange.getRequest();
        Device device = device(request);
        if (request.getCode() != Code.POST || request.getOptions().getUriPath().size() != 1 || isRefusedAnyway(device)) {
            delegate.handleRequest(exchange);
            return;
        }
        CompletableFuture<Decision> decision = webhook.decide(device);
        if (!decision.isDone()) {
            exchange.sendAccept();
        }
        decision.thenAccept(made -> exchange.execute(() -> follow(exchange, made)));
    }

    private void follow(Exchange exchange, Decision decision) {
        switch (decision) {
            case ALLOWED -> delegate.handleRequest(exchange);
            case REFUSED -> refuse(exchange, ResponseCode.FORBIDDEN, "webhook");
            default -> refuse(exchange, ResponseCode.SERVICE_UNAVAILABLE, "webhook_unavailable");
        }
    }

    private void refuse(Exchange exchange, ResponseCode code, String reason) {
        refused.accept(reason);
        exchange.sendResponse(new Response(code));
    }

    /**
     * Returns whether Leshan refuses the device: a name with credentials over CoAP without security. No post is needed,
     * and none can be provoked.
     */
    private boolean isRefusedAnyway(Device device) {
        return device.identity() == null
                && (device.endpoint() == null || credentials.getByEndpoint(device.endpoint()) != null);
    }

    /** Returns the device of a request. The last of repeated parameters is used, as in Leshan's RegisterResource. */
    private static Device device(Request request) {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (String parameter : request.getOptions().getUriQueryStrings()) {
            String[] parts = parameter.split("=", 2);
            attributes.put(parts[0], parts.length == 2 ? parts[1] : "");
        }
        String endpoint = attributes.remove(ENDPOINT);
        Principal identity = request.getSourceContext().getPeerIdentity();
        InetSocketAddress peer = request.getSourceContext().getPeerAddress();
        return new Device(endpoint, identity == null ? null : identity.getName(), peer.getAddress().getHostAddress(),
                peer.getPort(), attributes);
    }
}
