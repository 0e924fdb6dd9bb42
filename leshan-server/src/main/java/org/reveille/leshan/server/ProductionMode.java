package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.RoutesConfig;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.reveille.leshan.coap.CheckedRegisterResource;
import org.reveille.leshan.coap.RefusalLog;
import org.reveille.leshan.coap.SavedState;
import org.reveille.leshan.codec.Codecs;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.monitoring.CoapMetrics;
import org.reveille.leshan.monitoring.Health;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.monitoring.StoreCheck;
import org.reveille.leshan.registration.GatedRegisterResource;
import org.reveille.leshan.registration.RegistrationWebhook;
import org.reveille.leshan.security.RegistrationAuthorizer;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The behavior for production: events are stored and delivered reliably, requests with an id are sent at most once, and
 * no request is stored for a sleeping client.
 */
final class ProductionMode implements ServerMode {
    /** Threads that continue a call once its id is on disk; none of them waits for a device. */
    private static final int WORKERS = 4;
    private static final Logger LOG = LoggerFactory.getLogger(ProductionMode.class);

    private final Store store;
    private final EventPublishing events;
    private final EventStreams streams;
    private final LeshanServer server;
    /** Null if no registration webhook is configured. */
    private final RegistrationWebhook registrationWebhook;
    private final OpenCalls calls;
    private final Duration drain;
    private final RequestSender sender;
    private final IdempotencyFilter idempotency;
    private final ObjectNode info;
    /** Our own pool: Java's default executor creates a thread for each task on a machine with two cores. */
    private final ExecutorService workers = Executors.newFixedThreadPool(WORKERS, ProductionMode::worker);

    /**
     * Opens the state on disk and builds the LwM2M server.
     *
     * @throws IOException if the store cannot be used
     */
    ProductionMode(ServerProgram.Options options, Health health, Metrics metrics, CoapMetrics coapMetrics)
            throws IOException {
        ServerProgram.Production production = options.production();
        store = production.store();
        store.onWrite(metrics::storeWrite);
        events = new EventPublishing(store, production.outbox(), options.awakeMillis(), metrics);
        calls = new OpenCalls(production.maxOpenCalls());
        drain = production.drain();
        streams = new EventStreams(events.outbox());
        server = build(options, metrics, coapMetrics);
        events.listenTo(server);
        events.report(health, metrics);
        registrationWebhook = installWebhook(options, metrics);
        ServerInfo identity = ServerInfo.now(options.name(), events.outbox().bootId());
        SleepTimes sleeping = new SleepTimes();
        server.getRegistrationService().addListener(sleeping);
        server.getPresenceService().addListener(sleeping);
        health.check("store", new StoreCheck(store)::problem);
        RequestLog log = RequestLog.open(store, (connection, endpoint, data) ->
                events.outbox().publish(connection, endpoint, "REQUEST_RESPONSE", data), store::runningMillis);
        sender = new ProductionRequestSender(
                server, calls, production.busy(), sleeping, log, events.contacts(), workers);
        idempotency = new IdempotencyFilter(log, workers);
        info = identity.json("production", features(),
                Json.object().put("openCalls", calls.most()).put("maxBody", options.coap().maxBody()));
    }

    private LeshanServer build(ServerProgram.Options options, Metrics metrics, CoapMetrics coapMetrics) {
        LeshanServerBuilder builder = options.builder(events.contacts());
        RefusalLog refusals = new RefusalLog();
        options.coap().applyTo(builder, coapMetrics, refusals);
        LeshanServer built = builder.setEncoder(Codecs.encoder()).setDecoder(Codecs.decoder())
                .setAuthorizer(new RegistrationAuthorizer(options.coap().credentials(),
                        options.production().rules()::allows, metrics::refusedRegistration))
                .build();
        options.coap().limitRate(built, refusals);
        forEachCoapServer(built, coap -> CheckedRegisterResource.install(coap, refusals));
        return built;
    }

    private RegistrationWebhook installWebhook(ServerProgram.Options options, Metrics metrics) {
        if (options.production().rules().webhook() == null) {
            return null;
        }
        RegistrationWebhook webhook = new RegistrationWebhook(options.production().rules().webhook(), decision ->
                metrics.count("leshan.registration.webhook.posts",
                        "Posts to the registration webhook by decision",
                        "decision", RegistrationWebhook.word(decision)));
        forEachCoapServer(server, coap -> GatedRegisterResource.install(
                coap, webhook, options.coap().credentials(), metrics::refusedRegistration));
        return webhook;
    }

    private static void forEachCoapServer(LeshanServer server, Consumer<CoapServer> action) {
        server.getEndpointsProvider().forEach(
                provider -> action.accept(((CaliforniumServerEndpointsProvider) provider).getCoapServer()));
    }

    private static ObjectNode features() {
        return Json.object().put("neverDelayed", true).put("requestIds", true)
                .put("requestHistorySeconds", RequestLog.HISTORY_S).put("anyName", true).put("paging", true)
                .put("jsonErrors", true).put("eventEnvelope", 1).put("eventReplay", true)
                .put("notificationsWake", true).put("retransmit", true);
    }

    private static Thread worker(Runnable work) {
        Thread thread = new Thread(work, "call");
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public ApiDialect dialect() {
        return ApiDialect.PRODUCTION;
    }

    @Override
    public LeshanServer server() {
        return server;
    }

    @Override
    public EventStreams streams() {
        return streams;
    }

    @Override
    public RequestSender sender() {
        return sender;
    }

    @Override
    public CallHandler.Filter filter() {
        return idempotency;
    }

    @Override
    public void addTo(CallHandler handler) {
        handler.setHandler(new RequestStateHandler(dialect(), idempotency));
    }

    @Override
    public void addTo(RoutesConfig routes) {
        RefusedEventsApi.addTo(routes, events.outbox(), new AnswerWriter(dialect()), workers);
    }

    @Override
    public ObjectNode info() {
        return info;
    }

    @Override
    public void restore() throws IOException {
        new SavedState(store).restore(server);
    }

    /** Removes the registration. Otherwise calls would still be sent to it, and its device is no longer reachable. */
    @Override
    public void credentialsDeleted(String endpoint) {
        events.removeRegistration(endpoint);
    }

    @Override
    public void drain() throws InterruptedException {
        int left = calls.drain(drain.toMillis());
        LOG.info("shutting down, {} calls are still open", left);
    }

    @Override
    public void close() throws Exception {
        server.stop();
        new SavedState(store).save(server);
        server.destroy();
        if (registrationWebhook != null) {
            registrationWebhook.close();
        }
        events.close();
        store.close();
        // Last: continuations of the store's final writes run there.
        workers.shutdown();
    }
}
