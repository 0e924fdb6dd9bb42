package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collection;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.ResponseWriter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The stock server's queue of requests to sleeping clients: one request per registration, which a newer one replaces
 * silently, sent at the next wake. A device's response is published as the event REQUEST_RESPONSE; a failure is not
 * published (recorded from 2.0.0-M18).
 */
final class DelayedRequests implements RegistrationListener {
    private static final Logger LOG = LoggerFactory.getLogger(DelayedRequests.class);

    /** A stored request, with the members that its event and the response to its caller have in common. */
    private record Waiting(DownlinkDeviceManagementRequest<?> request, ObjectNode description, long timeoutMillis) {
    }

    private final LeshanServer server;
    private final EventStreams events;
    private final Map<String, Waiting> byRegistration = new ConcurrentHashMap<>();

    DelayedRequests(LeshanServer server, EventStreams events) {
        this.server = server;
        this.events = events;
    }

    /** Stores a request for the client's next wake and returns the body of the caller's response. */
    ObjectNode store(Registration client, DownlinkDeviceManagementRequest<?> request, String path, long timeoutMillis) {
        ObjectNode description = Json.object().put("ep", client.getEndpoint()).put("path", path);
        description.put("requestId", UUID.randomUUID().toString());
        byRegistration.put(client.getId(), new Waiting(request, description, timeoutMillis));
        // The client may have woken after the request was refused and before it was stored: its wake found no request to send.
        if (server.getPresenceService().isClientAwake(client)) {
            sendWaiting(client);
        }
        return description.deepCopy().put("delayed", true);
    }

    @Override
    public void registered(Registration client, Registration previous, Collection<Observation> observations) {
        // The id is new, but a call may have arrived between the registration and the client's becoming awake.
        sendWaiting(client);
    }

    @Override
    public void updated(RegistrationUpdate update, Registration client, Registration previous) {
        sendWaiting(client);
    }

    @Override
    public void unregistered(Registration client, Collection<Observation> observations, boolean expired,
            Registration next) {
        byRegistration.remove(client.getId());
    }

    private void sendWaiting(Registration client) {
        Waiting waiting = byRegistration.remove(client.getId());
        if (waiting != null) {
            send(client, waiting.request(), waiting);
        }
    }

    private <T extends LwM2mResponse> void send(
            Registration client, DownlinkDeviceManagementRequest<T> request, Waiting waiting) {
        try {
            server.send(client, request, waiting.timeoutMillis(),
                    response -> events.publish("REQUEST_RESPONSE", client.getEndpoint(), answered(waiting, response)),
                    error -> LOG.info("delayed request of {} failed: {}", client.getEndpoint(), error.getMessage()));
        } catch (RuntimeException unsendable) {
            LOG.info("delayed request of {} could not be sent: {}", client.getEndpoint(), unsendable.getMessage());
        }
    }

    private static String answered(Waiting waiting, LwM2mResponse response) {
        ObjectNode json = waiting.description().deepCopy();
        json.set("response", ResponseWriter.write(response));
        return Json.write(json.put("delayed", true));
    }
}
