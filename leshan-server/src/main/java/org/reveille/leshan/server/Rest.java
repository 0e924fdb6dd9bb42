package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.JavalinConfig;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.Handler;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;
import org.eclipse.jetty.http.UriCompliance;
import org.eclipse.jetty.http.UriCompliance.Violation;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.endpoint.LwM2mServerEndpoint;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.operations.Metrics;
import org.reveille.leshan.server.Failure.Code;

/** The REST API and the event stream: what is served under which address. */
final class Rest {
    private static final int LONGEST_WAIT_S = 30;
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
    private final NeverTwice neverTwice;
    private final Metrics metrics;
    private final Answers answers;
    private final Executor threads;

    /**
     * @param neverTwice null in stock mode, which has nothing that the stock server has not
     * @param threads write answers that were not there at once
     */
    Rest(LeshanServer server, EventStreams streams, ClientsApi clients, ObjectSpecsApi specs, ObjectNode info,
            NeverTwice neverTwice, Metrics metrics, Executor threads) {
        this.server = server;
        this.streams = streams;
        this.clients = clients;
        this.specs = specs;
        this.info = info;
        this.neverTwice = neverTwice;
        this.metrics = metrics;
        this.threads = threads;
        this.answers = new Answers(isStock());
    }

    /** Says which paths reach {@link #addTo}. */
    void configure(JavalinConfig config) {
        config.jetty.modifyHttpConfiguration(jetty -> jetty.setUriCompliance(isStock() ? STOCK_PATHS : UriCompliance.UNSAFE));
        // Otherwise Jetty answers a path that may mean two things with 400 when it is decoded, whatever is allowed.
        config.jetty.modifyServletContextHandler(context -> context.getServletHandler().setDecodeAmbiguousURIs(true));
    }

    /** Serves every address that nobody else does. */
    void addTo(RoutesConfig routes) {
        answers.addTo(routes);
        routes.get("/*", this::get);
        routes.put("/*", onClient(clients::put));
        routes.post("/*", onClient(clients::post));
        routes.delete("/*", this::delete);
        routes.patch("/*", context -> answer(context, new HttpAnswer(501, null, "", null)));
        routes.exception(InvalidRequestException.class, (unusable, context) ->
                answer(context, HttpAnswer.refusal(Code.INVALID_PATH, "Invalid path: " + unusable.getMessage())));
    }

    private boolean isStock() {
        return neverTwice == null;
    }

    private void get(Context context) throws Exception {
        List<String> parts = parts(context);
        if (parts.equals(List.of("api", "event"))) {
            if (EventStreams.isWanted(context)) {
                streams.serve(context);
            } else {
                answer(context, isStock() ? new HttpAnswer(405, null, "", null) : NO_STREAM);
            }
        } else if (parts.equals(List.of("api", "clients"))) {
            answer(context, isStock() ? clients.all() : clients.all(context));
        } else if (parts.equals(List.of("api", "server", "endpoint"))) {
            answer(context, endpoints());
        } else if (parts.equals(List.of("api", "server", "info"))) {
            answer(context, HttpAnswer.json(info));
        } else if (parts.equals(List.of("api", "objectspecs")) && !isStock()) {
            answerUnlessKnown(context, specs.known(context));
        } else if (parts.size() == 3 && parts.subList(0, 2).equals(List.of("api", "objectspecs"))) {
            answerUnlessKnown(context, specs.ofClient(parts.get(2)));
        } else if (isRequest(parts)) {
            tellOfRequest(context, parts, false);
        } else {
            onClient(clients::get).handle(context);
        }
    }

    private void delete(Context context) throws Exception {
        List<String> parts = parts(context);
        if (isRequest(parts)) {
            tellOfRequest(context, parts, true);
        } else {
            onClient(clients::delete).handle(context);
        }
    }

    private Handler onClient(Function<HttpCall, CompletableFuture<HttpAnswer>> operation) {
        return context -> {
            List<String> parts = parts(context);
            if (parts.size() < 3 || !parts.subList(0, 2).equals(List.of("api", "clients"))) {
                answer(context, NOT_FOUND);
                return;
            }
            HttpCall call = new HttpCall(context, parts.subList(2, parts.size()), isStock());
            answer(context, metrics.call(
                    isStock() ? operation.apply(call) : neverTwice.answer(call, operation), Rest::outcome));
        };
    }

    private static String outcome(HttpAnswer answer) {
        return answer.failure() == null ? "ANSWERED" : answer.failure().code().name();
    }

    private boolean isRequest(List<String> parts) {
        return !isStock() && parts.size() == 4 && parts.subList(0, 2).equals(List.of("api", "requests"));
    }

    private void tellOfRequest(Context context, List<String> parts, boolean close) {
        String id = parts.get(2) + "/" + parts.get(3);
        if (!RequestLog.isId(id)) {
            answer(context, HttpAnswer.refusal(Code.INVALID_REQUEST, "Invalid request: no request id"));
            return;
        }
        String wait = context.queryParam("wait");
        long seconds = wait != null && wait.matches("\\d{1,9}") ? Math.min(Long.parseLong(wait), LONGEST_WAIT_S) : 0;
        answer(context, neverTwice.tell(id, close, seconds).thenApply(HttpAnswer::json));
    }

    private List<String> parts(Context context) {
        return isStock() ? Paths.canonical(context) : Paths.asSent(context);
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

    /** The caller may hold the answer already, and says so by its ETag. */
    private void answerUnlessKnown(Context context, HttpAnswer answer) {
        if (isStock() || answer.failure() != null) {
            answer(context, answer);
            return;
        }
        String tag = ObjectSpecsApi.tag(answer);
        context.header("ETag", tag);
        boolean known = tag.equals(context.header("If-None-Match"));
        answer(context, known ? new HttpAnswer(304, null, "", null) : answer);
    }

    /** A thread of the web server answers: those of CoAP and of the store must not wait for a slow reader. */
    private void answer(Context context, CompletableFuture<HttpAnswer> answer) {
        if (answer.isDone()) {
            answer(context, answer.join());
        } else {
            context.future(() -> answer.thenAcceptAsync(
                    given -> answer(context, given), threads));
        }
    }

    private void answer(Context context, HttpAnswer answer) {
        answers.give(context, answer);
    }
}
