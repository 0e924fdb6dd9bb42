package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.Javalin;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;
import org.reveille.leshan.Models;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.ObjectSpecWriter;

/** A LwM2M server over CoAP (NoSec) whose REST API and event stream behave as the stock demo server 2.0.0-M18's. */
public final class StockServer implements AutoCloseable {
    /**
     * How a server is started.
     *
     * @param httpHost the address to bind
     * @param httpPort 0 chooses a free one
     * @param coapHost the address to bind
     * @param coapPort 0 chooses a free one
     * @param awakeMillis how long a client in queue mode counts as awake after it was heard
     * @param maxBody bytes, the largest value in one CoAP message after block-wise transfer
     */
    public record Options(
            String httpHost, int httpPort, String coapHost, int coapPort, int awakeMillis, int maxBody) {
    }

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
        server.start();
        http = web().start(options.httpHost(), options.httpPort());
    }

    public int httpPort() {
        return http.port();
    }

    public int coapPort() {
        return server.getEndpoint(Protocol.COAP).getURI().getPort();
    }

    @Override
    public void close() {
        streams.closeAll();
        http.stop();
        server.destroy();
    }

    private static LeshanServer leshan(Options options) {
        CaliforniumServerEndpointsProvider endpoints =
                new CaliforniumServerEndpointsProvider.Builder(new CoapServerProtocolProvider())
                        .setConfiguration(config -> config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, options.maxBody()))
                        .addEndpoint(new InetSocketAddress(options.coapHost(), options.coapPort()), Protocol.COAP)
                        .build();
        return new LeshanServerBuilder()
                .setEndpointsProviders(endpoints)
                .setObjectModelProvider(new VersionedModelProvider(Models.allVersions()))
                .setClientAwakeTimeProvider(new StaticClientAwakeTimeProvider(options.awakeMillis()))
                .build();
    }

    private Javalin web() {
        Javalin app = Javalin.create(config -> {
            config.showJavalinBanner = false;
            // As the stock server's web container: an encoded slash or percent sign in a path is refused with a 400.
            config.jetty.modifyHttpConfiguration(jetty -> jetty.setUriCompliance(UriCompliance.RFC3986_UNAMBIGUOUS));
        });
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
        } else if (parts.equals(List.of("api", "security", "clients"))) {
            answer(context, HttpAnswer.json(Json.object().arrayNode()));
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
