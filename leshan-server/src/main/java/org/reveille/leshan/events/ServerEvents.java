package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.request.exception.InvalidResponseException;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.queue.PresenceServiceImpl;
import org.eclipse.leshan.server.registration.Deregistration;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationServiceImpl;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;
import org.reveille.leshan.codec.UnreadableContentException;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeWriter;
import org.reveille.leshan.json.RegistrationWriter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes all notifications of a Leshan server's listeners to an outbox: the stock demo server's events, with the
 * data that it omits. A client in queue mode that notifies or sends counts as awake from then on.
 */
public final class ServerEvents implements RegistrationListener, PresenceListener, ObservationListener, SendListener {
    private static final Logger LOG = LoggerFactory.getLogger(ServerEvents.class);
    /** The presence service's timer and our clock are not the same. */
    private static final int TIMER_SLACK_MS = 100;
    /** Bytes: a Send of 128 KiB in CBOR can be megabytes of JSON, more than receivers accept. */
    private static final int LARGEST_SEND = 256 << 10;
    /** Bytes of undecodable content in an event; hex needs twice as many. */
    private static final int MOST_UNREADABLE = 64 << 10;
    private static final int LONGEST_REASON = 500;

    private final LeshanServer server;
    private final PresenceServiceImpl presence;
    private final Outbox outbox;
    private final Contacts contacts;
    private final ThreadLocal<CompletableFuture<Event>> sent = new ThreadLocal<>();
    /** Whether this thread ends a registration itself. */
    private final ThreadLocal<Boolean> removing = ThreadLocal.withInitial(() -> false);

    private ServerEvents(LeshanServer server, Outbox outbox, Contacts contacts) {
        this.server = server;
        this.presence = (PresenceServiceImpl) server.getPresenceService();
        this.outbox = outbox;
        this.contacts = contacts;
    }

    /**
     * Adds listeners to a server. Must be called before the server starts, and before other listeners that send
     * requests: then the event of a wake is published before the responses to requests that the wake released.
     *
     * @param contacts the {@code ClientAwakeTimeProvider} with which the server was built
     */
    public static ServerEvents listen(LeshanServer server, Outbox outbox, Contacts contacts) {
        ServerEvents events = new ServerEvents(server, outbox, contacts);
        server.getRegistrationService().addListener(events);
        server.getPresenceService().addListener(events);
        server.getObservationService().addListener(events);
        server.getSendService().addListener(events);
        contacts.onAnswer((client, contact) -> events.awake(client, contact, Contacts.Cause.ANSWER));
        return events;
    }

    /**
     * Ends the registration of a client that must no longer have one, as if it had deregistered; its event has the
     * reason REMOVED. Does nothing if there is no registration.
     */
    public void removeRegistration(String endpoint) {
        Registration client = server.getRegistrationService().getByEndpoint(endpoint);
        Deregistration ended = client == null ? null : server.getRegistrationStore().removeRegistration(client.getId());
        if (ended == null) {
            return;
        }
        removing.set(true);
        try {
            ((RegistrationServiceImpl) server.getRegistrationService())
                    .fireUnregistered(ended.getRegistration(), ended.getObservations(), null);
        } finally {
            removing.remove();
        }
    }

    @Override
    public void registered(Registration client, Registration previous, Collection<Observation> observations) {
        publish("REGISTRATION", client, registration(client));
        awake(client, Contacts.Cause.REGISTRATION);
    }

    @Override
    public void updated(RegistrationUpdate update, Registration client, Registration previous) {
        ObjectNode json = Json.object();
        json.set("registration", registration(client));
        json.set("update", RegistrationWriter.write(update));
        publish("UPDATED", client, json);
        awake(client, Contacts.Cause.UPDATE);
    }

    @Override
    public void unregistered(Registration client, Collection<Observation> observations, boolean expired,
            Registration next) {
        if (observations != null) {
            observations.forEach(observation -> publish("OBSERVATION_ENDED", client, observation(client, observation)));
        }
        String reason = expired ? "EXPIRED" : next != null ? "REPLACED" : removing.get() ? "REMOVED" : "CLIENT";
        publish("DEREGISTRATION", client, registration(client).put("reason", reason));
        contacts.remove(client);
    }

    /** Publishes nothing: it is called only when the state changes. AWAKE is an event of every contact. */
    @Override
    public void onAwake(Registration client) {
    }

    @Override
    public void onSleeping(Registration client) {
        Registration newest = server.getRegistrationService().getByEndpoint(client.getEndpoint());
        Contacts.Contact last = newest == null ? null : contacts.of(newest);
        boolean inTime = last != null && last.lasts(TIMER_SLACK_MS);
        if (inTime && contacts.receivedSinceCallBegan(client)) {
            // Leshan considers a client asleep at every timeout, whatever messages of it were received since the call began.
            contacts.resume(newest, () -> presence.setAwake(newest));
            return;
        }
        publish("SLEEPING", client, about(client).put("cause", inTime ? "NO_ANSWER" : "TIMER"));
    }

    @Override
    public void onResponse(SingleObservation observation, Registration client, ObserveResponse response) {
        List<Samples> samples = Samples.of(observation.getPath(), response);
        LwM2mNode newest = Samples.newest(samples).get(observation.getPath());
        ObjectNode json = Json.object().put("ep", client.getEndpoint()).put("kind", "single");
        json.put("res", observation.getPath().toString());
        json.set("val", NodeWriter.write(newest));
        json.set("samples", Samples.write(samples));
        publish("NOTIFICATION", client, json);
        markAwake(client, Contacts.Cause.NOTIFICATION);
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration client, ObserveCompositeResponse response) {
        List<Samples> samples = Samples.of(response);
        ObjectNode json = Json.object().put("ep", client.getEndpoint()).put("kind", "composite");
        json.set("val", samples.isEmpty() ? json.nullNode() : NodeWriter.write(Samples.newest(samples)));
        json.set("paths", paths(observation));
        json.set("samples", Samples.write(samples));
        publish("NOTIFICATION", client, json);
        markAwake(client, Contacts.Cause.NOTIFICATION);
    }

    @Override
    public void dataReceived(Registration client, TimestampedLwM2mNodes data, SendRequest request) {
        List<Samples> samples = Samples.of(data);
        ObjectNode whole = send(client, samples);
        List<ObjectNode> events = size(whole) <= LARGEST_SEND ? List.of(whole)
                : Samples.split(samples, LARGEST_SEND / 2).stream().map(part -> send(client, part)).toList();
        sent.set(outbox.publishOrRefuse(client.getEndpoint(), "SEND", events));
        markAwake(client, Contacts.Cause.SEND);
    }

    /** Returns the data of a Send. It contains the newest values twice. */
    private static ObjectNode send(Registration client, List<Samples> samples) {
        ObjectNode json = Json.object().put("ep", client.getEndpoint());
        json.set("val", NodeWriter.write(Samples.newest(samples)));
        json.set("samples", Samples.write(samples));
        return json;
    }

    private static int size(JsonNode json) {
        return Json.write(json).getBytes(StandardCharsets.UTF_8).length;
    }

    /** Publishes content that could not be decoded; failures of the server itself are only logged. */
    @Override
    public void onError(Observation observation, Registration client, Exception error) {
        LOG.warn("unreadable notification from {}: {}", client.getEndpoint(), error.getMessage());
        if (!(error instanceof InvalidResponseException)) {
            return;
        }
        UnreadableContentException content = UnreadableContentException.in(error);
        ObjectNode json = observation(client, observation).put("error", beginning(error.getMessage()));
        if (content != null) {
            byte[] bytes = content.content();
            json.put("reason", beginning(content.getMessage())).put("contentFormat", content.format())
                    .put("bytes", bytes.length).put("payload", HexFormat.of().formatHex(bytes, 0, Math.min(bytes.length, MOST_UNREADABLE)));
        }
        publish("NOTIFICATION_UNREADABLE", client, json);
        markAwake(client, Contacts.Cause.NOTIFICATION);
    }

    /** Returns the beginning of a message: Leshan's can contain the whole content. */
    private static String beginning(String text) {
        return text.length() > LONGEST_REASON ? text.substring(0, LONGEST_REASON) + ".." : text;
    }

    @Override
    public void onError(Registration client, String message, Exception error) {
        LOG.warn("unreadable Send: {}", message);
    }

    @Override
    public void newObservation(Observation observation, Registration client) {
        publish("OBSERVATION_ADDED", client, observation(client, observation));
    }

    /** Publishes nothing for an observation that was replaced: a receiver that trusts the event would observe again, and so replace the new one. */
    @Override
    public void cancelled(Observation observation) {
        Registration client = server.getRegistrationService().getById(observation.getRegistrationId());
        if (client != null && !isReplaced(client, observation)) {
            publish("OBSERVATION_ENDED", client, observation(client, observation));
        }
    }

    /** Returns whether another observation has the same paths: Leshan's store adds the new one before the old one is canceled. */
    private boolean isReplaced(Registration client, Observation ended) {
        ObjectNode json = observation(client, ended);
        return server.getObservationService().getObservations(client).stream()
                .anyMatch(other -> !other.getId().equals(ended.getId()) && observation(client, other).equals(json));
    }

    /** Returns the write of the last Send that was received on this thread; null if there was none since the last call. */
    CompletableFuture<Event> takeSent() {
        CompletableFuture<Event> event = sent.get();
        sent.remove();
        return event;
    }

    private void markAwake(Registration client, Contacts.Cause cause) {
        if (client.usesQueueMode()) {
            contacts.withCause(cause, () -> presence.setAwake(client));
            awake(client, cause);
        }
    }

    private void awake(Registration client, Contacts.Cause cause) {
        Contacts.Contact contact = client.usesQueueMode() ? contacts.of(client) : null;
        if (contact != null) {
            awake(client, contact, cause);
        }
    }

    private void awake(Registration client, Contacts.Contact contact, Contacts.Cause cause) {
        publish("AWAKE", client, about(client).put("until", contact.until()).put("cause", cause.name()));
    }

    private ObjectNode registration(Registration client) {
        return RegistrationWriter.write(client, presence.isClientAwake(client));
    }

    private static ObjectNode observation(Registration client, Observation observation) {
        ObjectNode json = about(client);
        if (observation instanceof SingleObservation single) {
            return json.put("kind", "single").put("res", single.getPath().toString());
        }
        json.put("kind", "composite").set("paths", paths((CompositeObservation) observation));
        return json;
    }

    private static ArrayNode paths(CompositeObservation observation) {
        ArrayNode paths = Json.object().arrayNode();
        observation.getPaths().forEach(path -> paths.add(path.toString()));
        return paths;
    }

    private static ObjectNode about(Registration client) {
        return Json.object().put("ep", client.getEndpoint()).put("registrationId", client.getId());
    }

    private CompletableFuture<Event> publish(String name, Registration client, JsonNode data) {
        return outbox.publish(client.getEndpoint(), name, data);
    }
}
