package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collection;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeWriter;
import org.reveille.leshan.json.RegistrationWriter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Publishes the notifications of the LwM2M server's listeners as events of the stream, in the stock server's form. */
final class StockEvents implements RegistrationListener, PresenceListener, ObservationListener, SendListener {
    private static final Logger LOG = LoggerFactory.getLogger(StockEvents.class);

    private final LeshanServer server;
    private final EventStreams streams;

    StockEvents(LeshanServer server, EventStreams streams) {
        this.server = server;
        this.streams = streams;
    }

    void listen() {
        server.getRegistrationService().addListener(this);
        server.getPresenceService().addListener(this);
        server.getObservationService().addListener(this);
        server.getSendService().addListener(this);
    }

    @Override
    public void registered(Registration client, Registration previous, Collection<Observation> observations) {
        streams.publish("REGISTRATION", client.getEndpoint(), Json.write(registration(client)));
    }

    @Override
    public void updated(RegistrationUpdate update, Registration client, Registration previous) {
        ObjectNode json = Json.object();
        json.set("registration", registration(client));
        json.set("update", RegistrationWriter.write(update));
        streams.publish("UPDATED", client.getEndpoint(), Json.write(json));
    }

    @Override
    public void unregistered(Registration client, Collection<Observation> observations, boolean expired,
            Registration next) {
        streams.publish("DEREGISTRATION", client.getEndpoint(), Json.write(registration(client)));
    }

    @Override
    public void onAwake(Registration client) {
        publish("AWAKE", client, "");
    }

    @Override
    public void onSleeping(Registration client) {
        publish("SLEEPING", client, "");
    }

    @Override
    public void onResponse(SingleObservation observation, Registration client, ObserveResponse response) {
        publish("NOTIFICATION", client, ",\"kind\":\"single\",\"res\":\"" + observation.getPath() + "\",\"val\":"
                + Json.write(NodeWriter.write(response.getContent())));
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration client, ObserveCompositeResponse response) {
        ArrayNode paths = Json.object().arrayNode();
        observation.getPaths().forEach(path -> paths.add(path.toString()));
        JsonNode nodes = response.getContent() == null ? paths.nullNode() : NodeWriter.write(response.getContent());
        publish("NOTIFICATION", client,
                ",\"kind\":\"composite\",\"val\":" + Json.write(nodes) + ",\"paths\":" + Json.write(paths));
    }

    /** Publishes only the newest group of nodes, without its time: the stock server publishes no more (recorded). */
    @Override
    public void dataReceived(Registration client, TimestampedLwM2mNodes data, SendRequest request) {
        publish("SEND", client, ",\"val\":" + Json.write(NodeWriter.write(data.getMostRecentNodes())));
    }

    @Override
    public void onError(Observation observation, Registration client, Exception error) {
        LOG.warn("unreadable notification from {}: {}", client.getEndpoint(), error.getMessage());
    }

    @Override
    public void onError(Registration client, String message, Exception error) {
        LOG.warn("unreadable Send: {}", message);
    }

    @Override
    public void newObservation(Observation observation, Registration client) {
        // Not an event of the stream.
    }

    @Override
    public void cancelled(Observation observation) {
        // Not an event of the stream.
    }

    /** Publishes an event. The name is not escaped, as in the stock server: a `"` in it makes broken JSON (recorded). */
    private void publish(String name, Registration client, String rest) {
        streams.publish(name, client.getEndpoint(), "{\"ep\":\"" + client.getEndpoint() + "\"" + rest + "}");
    }

    private ObjectNode registration(Registration client) {
        return RegistrationWriter.write(client, server.getPresenceService().isClientAwake(client));
    }
}
