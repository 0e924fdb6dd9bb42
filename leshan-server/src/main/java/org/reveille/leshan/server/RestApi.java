package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.JavalinConfig;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.util.List;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http.UriCompliance.Violation;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;

/** Routes of the REST API except {@link CallHandler}, and of the event stream. */
final class RestApi {
    private static final HttpAnswer NO_STREAM = HttpAnswer.refusal(Code.METHOD_NOT_ALLOWED,
            "Method not allowed: events are a stream, ask for it with Accept: text/event-stream");
    private static final HttpAnswer NOT_FOUND = HttpAnswer.refusal(Code.NOT_FOUND, "Not Found");

    /** The stock server's web container refuses an encoded slash or percent sign in a path with a 400. */
    private static final UriCompliance STOCK_PATHS = UriCompliance.UNSAFE.without("STOCK",
            Violation.AMBIGUOUS_PATH_SEGMENT, Violation.AMBIGUOUS_EMPTY_SEGMENT, Violation.AMBIGUOUS_PATH_SEPARATOR,
            Violation.AMBIGUOUS_PATH_PARAMETER, Violation.AMBIGUOUS_PATH_ENCODING, Violation.UTF16_ENCODINGS,
            Violation.USER_INFO);

    private final LeshanServer server;
    private final EventStreams streams;
    private final ClientsApi clients;
    private final ObjectSpecsApi specs;
    private final ObjectNode info;
    private final CallHandler calls;
    private final boolean stock;
    private final AnswerWriter answers;

    RestApi(LeshanServer server, EventStreams streams, ClientsApi clients, ObjectSpecsApi specs, ObjectNode info,
            CallHandler calls) {
        this.server = server;
        this.streams = streams;
        this.clients = clients;
        this.specs = specs;
        this.info = info;
        this.calls = calls;
        this.stock = calls.isStock();
        this.answers = new AnswerWriter(stock);
    }

    /** Returns the handler of calls, which precedes the routes of {@link #addTo}. */
    CallHandler calls() {
        return calls;
    }

    /** Configures which paths reach {@link #addTo}. */
    void configure(JavalinConfig config) {
        config.jetty.modifyHttpConfiguration(jetty -> jetty.setUriCompliance(stock ? STOCK_PATHS : UriCompliance.UNSAFE));
        // Otherwise Jetty answers an ambiguous path with 400 when the path is decoded, whatever is allowed.
        config.jetty.modifyServletContextHandler(context -> context.getServletHandler().setDecodeAmbiguousURIs(true));
    }

    /** Serves every path that no other route serves. */
    void addTo(RoutesConfig routes) {
        answers.addTo(routes);
        routes.get("/*", this::get);
        Handler notFound = context -> answer(context, NOT_FOUND);
        routes.put("/*", notFound);
        routes.post("/*", notFound);
        routes.delete("/*", notFound);
        routes.patch("/*", context -> answer(context, new HttpAnswer(501, null, "", null)));
    }

    private void get(Context context) throws Exception {
        List<String> parts = parts(context);
        if (parts.equals(List.of("api", "event"))) {
            if (EventStreams.isWanted(context)) {
                streams.serve(context);
            } else {
                answer(context, stock ? new HttpAnswer(405, null, "", null) : NO_STREAM);
            }
        } else if (parts.equals(List.of("api", "clients"))) {
            answer(context, stock ? clients.all() : clients.all(context));
        } else if (parts.equals(List.of("api", "server", "endpoint"))) {
            answer(context, endpoints());
        } else if (parts.equals(List.of("api", "server", "info"))) {
            answer(context, HttpAnswer.json(info));
        } else if (parts.equals(List.of("api", "objectspecs")) && !stock) {
            answerUnlessKnown(context, specs.known(context));
        } else if (parts.size() == 3 && parts.subList(0, 2).equals(List.of("api", "objectspecs"))) {
            answerUnlessKnown(context, specs.ofClient(parts.get(2)));
        } else {
            answer(context, NOT_FOUND);
        }
    }

    private List<String> parts(Context context) {
        return stock ? Paths.canonical(context) : Paths.asSent(context);
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

    /** Answers with 304 if the caller has the answer already, according to the ETag that it sent. */
    private void answerUnlessKnown(Context context, HttpAnswer answer) {
        if (stock || answer.failure() != null) {
            answer(context, answer);
            return;
        }
        String tag = ObjectSpecsApi.tag(answer);
        context.header("ETag", tag);
        boolean known = tag.equals(context.header("If-None-Match"));
        answer(context, known ? new HttpAnswer(304, null, "", null) : answer);
    }

    private void answer(Context context, HttpAnswer answer) {
        answers.give(context, answer);
    }
}
