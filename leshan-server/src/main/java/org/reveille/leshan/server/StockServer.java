package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.Javalin;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.Models;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.ObjectSpecWriter;
import org.reveille.leshan.operations.Health;
import org.reveille.leshan.operations.Metrics;

/** A LwM2M server over CoAP (NoSec) whose REST API and event stream behave as the stock demo server 2.0.0-M18's. */
public final class StockServer implements AutoCloseable {
    /**
     * How a server is started.
     *
     * @param awakeMillis how long a client in queue mode counts as awake after it was heard
     */
    public record Options(HttpSettings http, CoapSettings coap, int awakeMillis) {
    }

    private final Health health = new Health();
    private final Metrics metrics = new Metrics();
    private final LeshanServer server;
    private final EventStreams streams = new EventStreams();
    private final ClientsApi clients;
    private final Javalin http;

    public StockServer(Options options) {
        server = leshan(options);
        new Events(server, streams).listen();
        DelayedRequests delayed = new DelayedRequests(server, streams);
        // After Events: UPDATED is told before the answer to what its wake let out.
        server.getRegistrationService().addListener(delayed);
        clients = new ClientsApi(server, new Sender(server, delayed));
        CoapSettings.start(server);
        health.check("coap", () -> CoapSettings.trouble(server));
        metrics.gauge("leshan.registrations", "Registered clients", this::registrations);
        http = web(options).start(options.http().host(), options.http().port());
    }

    public int httpPort() {
        return http.port();
    }

    /** Where CoAP without security is served, or null. */
    public Integer coapPort() {
        return port(Protocol.COAP);
    }

    /** Where CoAP over DTLS is served, or null. */
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

    @Override
    public void close() {
        streams.closeAll();
        http.stop();
        server.destroy();
    }

    private static LeshanServer leshan(Options options) {
        LeshanServerBuilder builder = new LeshanServerBuilder()
                .setObjectModelProvider(new VersionedModelProvider(Models.allVersions()))
                .setClientAwakeTimeProvider(new StaticClientAwakeTimeProvider(options.awakeMillis()));
        options.coap().applyTo(builder);
        return builder.build();
    }

    private Javalin web(Options options) {
        // As the stock server's web container: an encoded slash or percent sign in a path is refused with a 400.
        Javalin app = Web.create(options.http(), config -> config.jetty.modifyHttpConfiguration(
                jetty -> jetty.setUriCompliance(UriCompliance.RFC3986_UNAMBIGUOUS)));
        OperationsApi.addTo(app, health, metrics);
        SecurityApi.addTo(app, options.coap().credentials(), options.coap().identity());
        app.get("/*", this::get);
        app.put("/*", onClient(clients::put));
        app.post("/*", onClient(clients::post));
        app.delete("/*", onClient(clients::delete));
        app.patch("/*", context -> answer(context, HttpAnswer.failure(501, "")));
        return app;
    }

    private void get(Context context) throws Exception {
        List<String> parts = HttpCall.split(context);
        if (parts.equals(List.of("api", "event"))) {
            streams.serve(context);
        } else if (parts.equals(List.of("api", "clients"))) {
            answer(context, clients.all());
        } else if (parts.equals(List.of("api", "server", "endpoint"))) {
            answer(context, endpoints());
        } else if (parts.size() == 3 && parts.subList(0, 2).equals(List.of("api", "objectspecs"))) {
            answer(context, objectSpecs(parts.get(2)));
        } else {
            onClient(clients::get).handle(context);
        }
    }

    private static Handler onClient(Function<HttpCall, CompletableFuture<HttpAnswer>> operation) {
        return context -> {
            List<String> parts = HttpCall.split(context);
            if (parts.size() < 3 || !parts.subList(0, 2).equals(List.of("api", "clients"))) {
                answer(context, HttpAnswer.refusal(404, "Not Found"));
                return;
            }
            HttpCall call = new HttpCall(context, parts.subList(2, parts.size()));
            CompletableFuture<HttpAnswer> answer = operation.apply(call);
            context.future(() -> answer.thenAccept(given -> answer(context, given)));
        };
    }

    private HttpAnswer endpoints() {
        ArrayNode endpoints = Json.object().arrayNode();
        for (LwM2mServerEndpoint endpoint : server.getEndpoints()) {
            EndpointUri uri = endpoint.getURI();
            ObjectNode json = Json.object();
            json.putObject("uri").put("full", uri.toString()).put("scheme", uri.getScheme())
                    .put("host", uri.getHost()).put("port", uri.getPort());
            endpoints.add(json.put("description", endpoint.getDescription()));
        }
        return HttpAnswer.json(endpoints);
    }

    private HttpAnswer objectSpecs(String endpoint) {
        Registration client = server.getRegistrationService().getByEndpoint(endpoint);
        if (client == null) {
            // The stock server fails with a NullPointerException here: a 500 with a page of HTML.
            return HttpAnswer.refusal(500, "No registered client with id '" + endpoint + "'");
        }
        ArrayNode specs = Json.object().arrayNode();
        server.getModelProvider().getObjectModel(client).getObjectModels().stream()
                .sorted((a, b) -> Integer.compare(a.id, b.id))
                .forEach(model -> specs.add(ObjectSpecWriter.write(model)));
        return HttpAnswer.json(specs);
    }

    private static void answer(Context context, HttpAnswer answer) {
        context.status(answer.status());
        context.res().setContentType(answer.contentType());
        context.result(answer.body().getBytes(StandardCharsets.UTF_8));
    }
}
