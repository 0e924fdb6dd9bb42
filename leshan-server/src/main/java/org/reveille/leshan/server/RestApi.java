package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.JavalinConfig;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.util.List;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.reveille.leshan.json.Json;

/** Routes of the REST API except {@link CallHandler}, and of the event stream. */
final class RestApi {
    private final LeshanServer server;
    private final EventStreams streams;
    private final ClientsApi clients;
    private final ObjectSpecsApi specs;
    private final ObjectNode info;
    private final ApiDialect dialect;
    private final AnswerWriter answers;

    RestApi(ServerMode mode, ClientsApi clients, ObjectSpecsApi specs) {
        this.server = mode.server();
        this.streams = mode.streams();
        this.clients = clients;
        this.specs = specs;
        this.info = mode.info();
        this.dialect = mode.dialect();
        this.answers = new AnswerWriter(dialect);
    }

    /** Configures which paths reach {@link #addTo}. */
    void configure(JavalinConfig config) {
        config.jetty.modifyHttpConfiguration(jetty -> jetty.setUriCompliance(dialect.uriCompliance()));
        // Otherwise Jetty answers an ambiguous path with 400 when the path is decoded, whatever is allowed.
        config.jetty.modifyServletContextHandler(context -> context.getServletHandler().setDecodeAmbiguousURIs(true));
    }

    /** Serves every path that no other route serves. */
    void addTo(RoutesConfig routes) {
        answers.addTo(routes);
        routes.get("/*", this::get);
        Handler notFound = context -> answer(context, HttpAnswer.NOT_FOUND);
        routes.put("/*", notFound);
        routes.post("/*", notFound);
        routes.delete("/*", notFound);
        routes.patch("/*", context -> answer(context, HttpAnswer.withoutBody(501)));
    }

    private void get(Context context) throws Exception {
        List<String> parts = dialect.segments(context);
        if (parts.equals(List.of("api", "event"))) {
            if (EventStreams.isWanted(context)) {
                streams.serve(context);
            } else {
                answer(context, dialect.eventStreamRequired());
            }
        } else if (parts.equals(List.of("api", "clients"))) {
            answer(context, dialect.clients(clients, context));
        } else if (parts.equals(List.of("api", "server", "endpoint"))) {
            answer(context, endpoints());
        } else if (parts.equals(List.of("api", "server", "info"))) {
            answer(context, HttpAnswer.json(info));
        } else if (parts.equals(List.of("api", "objectspecs"))) {
            answer(context, dialect.revalidate(dialect.objectSpecs(specs, context), context));
        } else if (parts.size() == 3 && parts.subList(0, 2).equals(List.of("api", "objectspecs"))) {
            answer(context, dialect.revalidate(specs.ofClient(parts.get(2)), context));
        } else {
            answer(context, HttpAnswer.NOT_FOUND);
        }
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

    private void answer(Context context, HttpAnswer answer) {
        answers.give(context, answer);
    }
}
