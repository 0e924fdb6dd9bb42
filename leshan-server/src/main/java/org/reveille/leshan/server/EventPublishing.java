package org.reveille.leshan.server;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Function;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.reveille.leshan.events.AcknowledgedSendResource;
import org.reveille.leshan.events.Contacts;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.events.ServerEvents;
import org.reveille.leshan.monitoring.Health;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.store.Store;

/** Publishes the events of production mode: all of them through an outbox. */
final class EventPublishing implements AutoCloseable {
    private static final Duration LAST_POSTS = Duration.ofSeconds(5);
    /** How long the webhook's receiver may restart before the server reports that it is not ready. */
    private static final Duration UNREACHABLE_LIMIT = Duration.ofSeconds(60);

    private final Outbox outbox;
    private final Contacts contacts;
    private ServerEvents events;

    EventPublishing(Store store, Outbox.Options options, int awakeMillis, Metrics metrics) throws IOException {
        outbox = new Outbox(store, options, (outcome, duration) -> metrics.post(outcome.name(), duration));
        contacts = new Contacts(awakeMillis);
    }

    Outbox outbox() {
        return outbox;
    }

    /** Returns the awake times for the LwM2M server's builder. */
    Contacts contacts() {
        return contacts;
    }

    /** Adds the listeners. Must be called before the LwM2M server starts, and before any other listener is added to it. */
    void listenTo(LeshanServer server) {
        events = ServerEvents.listen(server, outbox, contacts);
        server.getEndpointsProvider().forEach(provider -> AcknowledgedSendResource.install(
                ((CaliforniumServerEndpointsProvider) provider).getCoapServer(), events));
    }

    /** Ends the registration of a client that must no longer have one. Must be called after {@link #listenTo}. */
    void removeRegistration(String endpoint) {
        events.removeRegistration(endpoint);
    }

    /** Registers the health checks and metrics of events. */
    void report(Health health, Metrics metrics) {
        health.check("events", () -> outbox.isAlive()
                ? Optional.empty() : Optional.of("a thread that publishes them has ended: restart the server"));
        health.check("webhook", () -> problem(outbox.status()));
        outbox.listen(event -> metrics.event(event.name()));
        gauge(metrics, "waiting", "Events that wait for the webhook", Outbox.Status::waiting);
        gauge(metrics, "waiting.bytes", "Size of the events that wait for the webhook", Outbox.Status::waitingBytes);
        gauge(metrics, "oldest.seconds", "Age of the oldest event that waits for the webhook",
                status -> status.oldestMillis() / 1000.0);
        gauge(metrics, "delivered", "Events that the webhook has accepted since the start", Outbox.Status::delivered);
        gauge(metrics, "refused", "Events that are set aside because the webhook refused them", Outbox.Status::refused);
        gauge(metrics, "dropped", "Events counted in a GAP since the start", Outbox.Status::dropped);
        gauge(metrics, "stopped", "1 while the webhook refuses everything", status -> status.stopped() ? 1 : 0);
        gauge(metrics, "failing.seconds", "Seconds since posts to the webhook began to fail, 0 if they succeed",
                status -> status.failing().toMillis() / 1000.0);
    }

    /** Returns a sentence if the webhook refuses everything, or has accepted nothing for a minute of attempts. */
    static Optional<String> problem(Outbox.Status status) {
        if (status.stopped()) {
            return Optional.of("the webhook " + status.lastError());
        }
        return status.failing().compareTo(UNREACHABLE_LIMIT) < 0 ? Optional.empty()
                : Optional.of("the webhook has accepted nothing for " + status.failing().toSeconds() + " s: "
                        + (status.lastError() == null ? "the first attempt has not ended" : status.lastError()));
    }

    private void gauge(Metrics metrics, String name, String description, Function<Outbox.Status, Number> value) {
        metrics.gauge("leshan.outbox." + name, description, () -> value.apply(outbox.status()));
    }

    /** Posts the waiting events if the webhook currently accepts events; the rest is posted after the next start. */
    @Override
    public void close() throws InterruptedException {
        if (outbox.status().lastError() == null) {
            outbox.drain(LAST_POSTS);
        }
        outbox.close();
    }
}
