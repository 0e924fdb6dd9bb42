package org.reveille.leshan.devices;

import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.eclipse.leshan.client.EndpointsManager;
import org.eclipse.leshan.client.RegistrationUpdate;
import org.eclipse.leshan.client.engine.ClientEndpointNameProvider;
import org.eclipse.leshan.client.engine.RegistrationEngine;
import org.eclipse.leshan.client.request.UplinkRequestSender;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectTreeReader;
import org.eclipse.leshan.client.servers.DmServerInfo;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.client.servers.ServersInfoExtractor;
import org.eclipse.leshan.client.util.LinkFormatHelper;
import org.eclipse.leshan.core.LwM2m.LwM2mVersion;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.request.UplinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A registration engine that sends only on command. The library's own engine sends updates by a timer of lifetime less
 * 247 s (every few seconds for a short lifetime) and keeps a thread per client; a device under test must do neither.
 */
final class ManualRegistrationEngine implements RegistrationEngine {
    private static final Logger LOG = LoggerFactory.getLogger(ManualRegistrationEngine.class);
    private static final long TIMEOUT_MS = 10_000;

    /** The arguments that the library passes to the factory of an engine. */
    record Parts(ClientEndpointNameProvider name, Map<Integer, LwM2mObjectEnabler> objects, EndpointsManager endpoints,
            UplinkRequestSender sender, Map<String, String> attributes, Set<ContentFormat> formats,
            LinkFormatHelper links, ServersInfoExtractor servers) {
    }

    private final Parts parts;
    private final boolean queueMode;
    private volatile LwM2mServer server;
    private volatile String registrationId;

    ManualRegistrationEngine(Parts parts, boolean queueMode) {
        this.parts = parts;
        this.queueMode = queueMode;
    }

    String registrationId() {
        return registrationId;
    }

    LwM2mServer server() {
        return server;
    }

    /** Opens the device's socket, on a new port if it had one. */
    void openPort() {
        server = parts.endpoints().createEndpoint(serverInfo(), queueMode);
    }

    /** Sends a full registration, which replaces an existing one. */
    CompletableFuture<UplinkResult> register() {
        Link[] links = parts.links().getClientDescription(parts.objects().values(), null,
                ContentFormat.getOptionalContentFormatForClient(parts.formats(), LwM2mVersion.lastSupported()));
        EnumSet<BindingMode> binding =
                ObjectTreeReader.getDeviceSupportedBindingMode(parts.objects().get(LwM2mId.DEVICE), 0);
        DmServerInfo info = serverInfo();
        RegisterRequest request = new RegisterRequest(parts.name().getEndpointNameFor(info, RegisterRequest.class),
                info.lifetime, LwM2mVersion.lastSupported().toString(), binding, queueMode, null, links,
                parts.attributes());
        return sendWithReconnect("REGISTER", request, response -> registrationId = response.getRegistrationID());
    }

    /** Sends an update; a client that the server does not know any more registers again, as the library's engine does. */
    CompletableFuture<UplinkResult> update(RegistrationUpdate update) {
        if (registrationId == null) {
            return register();
        }
        UpdateRequest request = new UpdateRequest(registrationId, update.getLifeTimeInSec(), update.getSmsNumber(),
                update.getBindingMode(), update.getObjectLinks(), update.getAdditionalAttributes());
        return sendWithReconnect("UPDATE", request, response -> { }).thenCompose(answer ->
                answer.code() == ResponseCode.NOT_FOUND_CODE ? register() : CompletableFuture.completedFuture(answer));
    }

    CompletableFuture<UplinkResult> deregister() {
        if (registrationId == null) {
            return CompletableFuture.completedFuture(new UplinkResult("DEREGISTER", 0, "not registered"));
        }
        return send("DEREGISTER", new DeregisterRequest(registrationId), response -> registrationId = null);
    }

    /** Sends an LwM2M Send. */
    CompletableFuture<UplinkResult> send(SendRequest request) {
        return send("SEND", request, response -> { });
    }

    /**
     * Sends a request, and over DTLS again after a new handshake if it was not answered, as the library's own engine
     * does: the server may have lost the connection.
     */
    private <T extends LwM2mResponse> CompletableFuture<UplinkResult> sendWithReconnect(
            String operation, UplinkRequest<T> request, Consumer<T> success) {
        return send(operation, request, success).thenCompose(answer -> {
            if (answer.code() != 0 || !isSecure()) {
                return CompletableFuture.completedFuture(answer);
            }
            parts.endpoints().forceReconnection(server, false);
            return send(operation, request, success);
        });
    }

    private boolean isSecure() {
        return server.getUri().startsWith("coaps:");
    }

    private <T extends LwM2mResponse> CompletableFuture<UplinkResult> send(
            String operation, UplinkRequest<T> request, Consumer<T> success) {
        CompletableFuture<UplinkResult> answer = new CompletableFuture<>();
        try {
            parts.sender().send(server, request, TIMEOUT_MS, response -> {
                if (response.isSuccess()) {
                    success.accept(response);
                }
                answer.complete(UplinkResult.answered(operation, response));
            }, error -> answer.complete(UplinkResult.failed(operation, error)));
        } catch (RuntimeException unsendable) {
            answer.complete(UplinkResult.failed(operation, unsendable));
        }
        return answer;
    }

    private DmServerInfo serverInfo() {
        return parts.servers().getInfo(parts.objects()).deviceManagements.values().iterator().next();
    }

    @Override
    public void start() {
        openPort();
    }

    @Override
    public void stop(boolean deregister) {
        // Nothing runs without a command.
    }

    @Override
    public void destroy(boolean deregister) {
        // Nothing runs without a command.
    }

    @Override
    public void triggerRegistrationUpdate() {
        triggerRegistrationUpdate(new RegistrationUpdate());
    }

    @Override
    public void triggerRegistrationUpdate(LwM2mServer peer) {
        triggerRegistrationUpdate();
    }

    @Override
    public void triggerRegistrationUpdate(LwM2mServer peer, RegistrationUpdate update) {
        triggerRegistrationUpdate(update);
    }

    /**
     * Sends an update. The library calls this when instances were added or removed, or the lifetime was written: a real
     * client sends an update then.
     */
    @Override
    public void triggerRegistrationUpdate(RegistrationUpdate update) {
        if (registrationId != null) {
            update(update).thenAccept(answer -> LOG.debug("update without a command: {}", answer));
        }
    }

    @Override
    public boolean triggerClientInitiatedBootstrap(boolean deregister) {
        return false;
    }

    @Override
    public String getRegistrationId(LwM2mServer peer) {
        return registrationId;
    }

    @Override
    public Map<String, LwM2mServer> getRegisteredServers() {
        String id = registrationId;
        return id == null ? Map.of() : Map.of(id, server);
    }

    @Override
    public LwM2mServer getRegisteredServer(long serverId) {
        return server;
    }

    /** Returns whether a peer is the server, which is the only peer; the endpoints provider drops messages of other addresses. */
    @Override
    public boolean isAllowedToCommunicate(LwM2mServer peer) {
        return peer != null && peer.equals(server);
    }

    @Override
    public String getEndpoint() {
        return parts.name().getEndpointName();
    }
}
