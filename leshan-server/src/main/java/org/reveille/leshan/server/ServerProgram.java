package org.reveille.leshan.server;

import io.javalin.Javalin;
import io.javalin.util.JavalinException;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.queue.ClientAwakeTimeProvider;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.monitoring.CoapMetrics;
import org.reveille.leshan.monitoring.Health;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.registration.RegistrationRules;
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
            HttpSettings http, CoapSettings coap, int awakeMillis, String name, ObjectModels models,
            Production production) {
        /** Returns a builder of the LwM2M server with the settings that both modes have. */
        LeshanServerBuilder builder(ClientAwakeTimeProvider awakeTimes) {
            return new LeshanServerBuilder().setObjectModelProvider(new VersionedModelProvider(models))
                    .setClientAwakeTimeProvider(awakeTimes);
        }
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

    /** The largest firmware package of the devices that this server is tested with. Writes have no limit in CoAP. */
    private static final int LEAST_VALUE_BYTES = 1 << 20;
    private static final int REST_OF_REQUEST_BYTES = 100_000;
    private static final Logger LOG = LoggerFactory.getLogger(ServerProgram.class);

    private final Health health = new Health();
    private final Metrics metrics = new Metrics();
    private final ServerMode mode;
    private final LeshanServer server;
    private final Javalin http;

    /**
     * Creates and starts the server.
     *
     * @throws IOException if the store cannot be used
     */
    public ServerProgram(Options options) throws IOException {
        CoapMetrics coapMetrics = new CoapMetrics(metrics);
        mode = options.production() == null ? new StockMode(options, coapMetrics)
                : new ProductionMode(options, health, metrics, coapMetrics);
        server = mode.server();
        options.coap().count(server, coapMetrics);
        mode.restore();
        CoapSettings.start(server);
        health.check("coap", () -> CoapSettings.problem(server));
        metrics.gauge("leshan.registrations", "Registered clients", this::registrations);
        metrics.gauge("leshan.event.listeners", "Listeners of /api/event", mode.streams()::listeners);
        http = web(options);
        WebServer.start(http, options.http());
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
        mode.drain();
        try {
            mode.streams().closeAll();
            http.stop();
        } catch (JavalinException stillAnswering) {
            LOG.warn("open calls could not be answered");
        } finally {
            mode.close();
        }
    }

    private Javalin web(Options options) {
        long maxRequest = maxRequest(options.coap().maxBody());
        ClientsApi clients = new ClientsApi(server, mode.sender(), mode.dialect());
        RestApi rest = new RestApi(mode, clients, new ObjectSpecsApi(server, options.models()));
        CallHandler calls = new CallHandler(clients, mode.dialect(), mode.filter(), metrics);
        mode.addTo(calls);
        AdmissionHandler admission = new AdmissionHandler(options.http(), maxRequest, metrics::http);
        admission.setHandler(calls);
        return WebServer.create(options.http(), admission, config -> {
            config.http.maxRequestSize = maxRequest;
            rest.configure(config);
            MonitoringApi.addTo(config.routes, health, metrics);
            SecurityApi.addTo(config.routes, options.coap().credentials(), options.coap().identity(),
                    new AnswerWriter(mode.dialect()), mode::credentialsDeleted);
            mode.addTo(config.routes);
            rest.addTo(config.routes);
        });
    }

    /**
     * Returns the maximum size of an HTTP request's body in bytes: a value of {@code maxBody}, or of 1 MiB if that is
     * more, is sent as hex digits, within JSON.
     */
    private static long maxRequest(int maxBody) {
        return 2L * Math.max(maxBody, LEAST_VALUE_BYTES) + REST_OF_REQUEST_BYTES;
    }
}
