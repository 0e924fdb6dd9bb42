package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.Javalin;
import io.javalin.util.JavalinException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.queue.ClientAwakeTimeProvider;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.eclipse.leshan.servers.security.SecurityStore;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.reveille.leshan.coap.CheckedRegisterResource;
import org.reveille.leshan.coap.RefusalLog;
import org.reveille.leshan.coap.SavedState;
import org.reveille.leshan.codec.Codecs;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.monitoring.CoapMetrics;
import org.reveille.leshan.monitoring.Health;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.monitoring.StoreCheck;
import org.reveille.leshan.registration.GatedRegisterResource;
import org.reveille.leshan.registration.RegistrationRules;
import org.reveille.leshan.registration.RegistrationWebhook;
import org.reveille.leshan.security.RegistrationAuthorizer;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A LwM2M server with the REST API and event stream of the stock demo server 2.0.0-M18: with the same behavior, or with
 * the features that production needs.
 */
public final class ServerProgram implements AutoCloseable {
    /**
     * Options of a server.
     *
     * @param awakeMillis how long a client in queue mode counts as awake after a message of it was received
     * @param name the operator's name for the server, which is part of its reports
     * @param models every version of every object that the server supports
     * @param production null for the stock server's behavior
     */
    public record Options(
            HttpSettings http, CoapSettings coap, int awakeMillis, String name, List<ObjectModel> models,
            Production production) {
    }

    /**
     * Options that only production mode has.
     *
     * @param store the state on disk; the server closes it
     * @param maxOpenCalls maximum number of calls that wait for their devices
     * @param busy how long a call without a response of its device prevents other calls to it
     * @param outbox the subscribers of events, and how much is stored for them
     * @param drain how long open calls may take to end when the server stops
     * @param rules the devices that may register, in addition to their credentials
     */
    public record Production(Store store, int maxOpenCalls, Duration busy, Outbox.Options outbox, Duration drain,
            RegistrationRules rules) {
    }

    /** Threads that continue a call once its id is on disk; none of them waits for a device. */
    private static final int WORKERS = 4;
    private static final long LEAST_REQUEST_BYTES = 1_000_000;
    private static final Logger LOG = LoggerFactory.getLogger(ServerProgram.class);

    private final Health health = new Health();
    private final Metrics metrics = new Metrics();
    private final CoapMetrics coapMetrics = new CoapMetrics(metrics);
    private final LeshanServer server;
    private final EventStreams streams;
    /** Null if no registration webhook is configured. */
    private RegistrationWebhook registrationWebhook;
    private final ServerInfo info;
    private final Store store;
    private final EventPublishing events;
    private final OpenCalls calls;
    private final Duration drain;
    /** Our own pool: Java's default executor creates a thread for each task on a machine with two cores. */
    private final ExecutorService workers = Executors.newFixedThreadPool(WORKERS, ServerProgram::worker);
    private final Javalin http;

    /**
     * Creates and starts the server.
     *
     * @throws IOException if the store cannot be used
     */
    public ServerProgram(Options options) throws IOException {
        Production production = options.production();
        if (production == null) {
            store = null;
            events = null;
            calls = null;
            drain = Duration.ZERO;
            streams = new EventStreams();
            server = leshan(options, new StaticClientAwakeTimeProvider(options.awakeMillis()));
            new StockEvents(server, streams).listen();
        } else {
            store = production.store();
            store.onWrite(metrics::storeWrite);
            events = new EventPublishing(store, production.outbox(), options.awakeMillis(), metrics);
            calls = new OpenCalls(production.maxOpenCalls());
            drain = production.drain();
            streams = new EventStreams(events.outbox());
            server = leshan(options, events.contacts());
            events.listenTo(server);
            events.report(health, metrics);
            askWebhook(production.rules().webhook(), options.coap().credentials());
        }
        info = ServerInfo.now(options.name(), events == null ? null : events.outbox().bootId());
        RestApi rest = production == null ? stock(options) : production(options);
        options.coap().count(server, coapMetrics);
        if (store != null) {
            new SavedState(store).restore(server);
        }
        CoapSettings.start(server);
        health.check("coap", () -> CoapSettings.problem(server));
        metrics.gauge("leshan.registrations", "Registered clients", this::registrations);
        metrics.gauge("leshan.event.listeners", "Listeners of /api/event", streams::listeners);
        http = web(options, rest);
        WebServer.start(http, options.http());
    }

    private void askWebhook(RegistrationWebhook.Options webhook, SecurityStore credentials) {
        if (webhook != null) {
            registrationWebhook = new RegistrationWebhook(webhook, decision -> metrics.count(
                    "leshan.registration.webhook.posts", "Posts to the registration webhook by what was decided",
                    "decision", RegistrationWebhook.word(decision)));
            server.getEndpointsProvider().forEach(provider -> GatedRegisterResource.install(
                    ((CaliforniumServerEndpointsProvider) provider).getCoapServer(), registrationWebhook, credentials,
                    metrics::refusedRegistration));
        }
    }

    private RestApi stock(Options options) {
        DelayedRequests delayed = new DelayedRequests(server, streams);
        // After Events: UPDATED is published before the response to a request that its wake released.
        server.getRegistrationService().addListener(delayed);
        ClientsApi clients = new ClientsApi(server, new StockRequestSender(server, delayed), ContentFormats.STOCK);
        return rest(options, clients, info.json("stock", Json.object(), Json.object()), null);
    }

    private RestApi production(Options options) throws IOException {
        SleepTimes sleeping = new SleepTimes();
        server.getRegistrationService().addListener(sleeping);
        server.getPresenceService().addListener(sleeping);
        health.check("store", new StoreCheck(store)::problem);
        RequestLog log = RequestLog.open(store,
                (connection, endpoint, data) ->
                        events.outbox().publish(connection, endpoint, "REQUEST_RESPONSE", data),
                store::runningMillis);
        ProductionRequestSender sender =
                new ProductionRequestSender(server, calls, options.production().busy(), sleeping, log, events.contacts(), workers);
        ClientsApi clients = new ClientsApi(server, sender, ContentFormats.REGISTERED);
        ObjectNode features = Json.object().put("neverDelayed", true).put("requestIds", true)
                .put("requestHistorySeconds", RequestLog.HISTORY_S).put("anyName", true).put("paging", true)
                .put("jsonErrors", true).put("eventEnvelope", 1).put("eventReplay", true)
                .put("notificationsWake", true).put("retransmit", true);
        ObjectNode limits = Json.object().put("openCalls", calls.most()).put("maxBody", options.coap().maxBody());
        return rest(options, clients, info.json("production", features, limits), new IdempotencyFilter(log, workers));
    }

    private RestApi rest(Options options, ClientsApi clients, ObjectNode description, IdempotencyFilter idempotency) {
        ObjectSpecsApi specs = new ObjectSpecsApi(server, options.models());
        return new RestApi(server, streams, clients, specs, description, new CallHandler(clients, idempotency, metrics));
    }

    public int httpPort() {
        return http.port();
    }

    /** Returns the port of CoAP without security, or null. */
    public Integer coapPort() {
        return port(Protocol.COAP);
    }

    /** Returns the port of CoAP over DTLS, or null. */
    public Integer coapsPort() {
        return port(Protocol.COAPS);
    }

    private Integer port(Protocol protocol) {
        LwM2mServerEndpoint endpoint = server.getEndpoint(protocol);
        return endpoint == null ? null : endpoint.getURI().getPort();
    }

    private long registrations() {
        long count = 0;
        for (var all = server.getRegistrationService().getAllRegistrations(); all.hasNext(); all.next()) {
            count++;
        }
        return count;
    }

    /** Stops the server; in production mode, open calls may end first, and new ones are refused with a request to retry later. */
    @Override
    public void close() throws Exception {
        health.check("server", () -> Optional.of("it is shutting down"));
        if (calls != null) {
            int left = calls.drain(drain.toMillis());
            LOG.info("shutting down, {} calls are open still", left);
        }
        try {
            streams.closeAll();
            http.stop();
        } catch (JavalinException stillAnswering) {
            LOG.warn("answers to calls that were open could not be given");
        } finally {
            if (store != null) {
                server.stop();
                new SavedState(store).save(server);
            }
            server.destroy();
            if (registrationWebhook != null) {
                registrationWebhook.close();
            }
            closeStore();
            // Last: continuations of the store's final writes run there.
            workers.shutdown();
        }
    }

    private static Thread worker(Runnable work) {
        Thread thread = new Thread(work, "call");
        thread.setDaemon(true);
        return thread;
    }

    private void closeStore() throws Exception {
        if (store != null) {
            events.close();
            store.close();
        }
    }

    /**
     * Removes the registration of a device whose credentials were deleted. Without this, calls would still be sent to a
     * registration whose device is no longer reachable.
     */
    private void credentialsDeleted(String endpoint) {
        if (events != null) {
            events.removeRegistration(endpoint);
        }
    }

    private LeshanServer leshan(Options options, ClientAwakeTimeProvider awakeTimes) {
        LeshanServerBuilder builder = new LeshanServerBuilder()
                .setObjectModelProvider(new VersionedModelProvider(options.models()))
                .setClientAwakeTimeProvider(awakeTimes);
        if (options.production() == null) {
            options.coap().applyTo(builder, coapMetrics);
            return builder.build();
        }
        RefusalLog refusals = new RefusalLog();
        options.coap().applyTo(builder, coapMetrics, refusals);
        LeshanServer built = builder.setEncoder(Codecs.encoder()).setDecoder(Codecs.decoder())
                .setAuthorizer(new RegistrationAuthorizer(options.coap().credentials(), options.production().rules()::allows,
                        metrics::refusedRegistration))
                .build();
        options.coap().limitRate(built, refusals);
        built.getEndpointsProvider().forEach(provider -> CheckedRegisterResource.install(
                ((CaliforniumServerEndpointsProvider) provider).getCoapServer(), refusals));
        return built;
    }

    /**
     * Returns the maximum size of an HTTP request's body in bytes: a value of {@code maxBody} is sent as hex digits,
     * within JSON.
     */
    private static long maxRequest(int maxBody) {
        return Math.max(LEAST_REQUEST_BYTES, 2L * maxBody + LEAST_REQUEST_BYTES / 10);
    }

    private Javalin web(Options options, RestApi rest) {
        long maxRequest = maxRequest(options.coap().maxBody());
        AdmissionHandler admission = new AdmissionHandler(options.http(), maxRequest, metrics::http);
        admission.setHandler(rest.calls());
        return WebServer.create(options.http(), admission, config -> {
            config.http.maxRequestSize = maxRequest;
            rest.configure(config);
            MonitoringApi.addTo(config.routes, health, metrics);
            SecurityApi.addTo(config.routes, options.coap().credentials(), options.coap().identity(),
                    new AnswerWriter(options.production() == null), this::credentialsDeleted);
            if (events != null) {
                RefusedEventsApi.addTo(config.routes, events.outbox(), new AnswerWriter(false), workers);
            }
            rest.addTo(config.routes);
        });
    }
}
