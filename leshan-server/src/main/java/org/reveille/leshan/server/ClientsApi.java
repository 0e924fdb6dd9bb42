package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.http.Context;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.eclipse.leshan.core.link.attributes.InvalidAttributeException;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.CancelObservationRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.RegistrationWriter;
import org.reveille.leshan.server.Failure.Code;

/** Maps an HTTP method and a path below `/api/clients` to an LwM2M operation. */
final class ClientsApi {
    private static final int LONGEST_PAGE = 10_000;

    private final LeshanServer server;
    private final RequestSender sender;
    private final ApiDialect dialect;

    ClientsApi(LeshanServer server, RequestSender sender, ApiDialect dialect) {
        this.server = server;
        this.sender = sender;
        this.dialect = dialect;
    }

    HttpAnswer all() {
        ArrayNode clients = Json.object().arrayNode();
        server.getRegistrationService().getAllRegistrations().forEachRemaining(client -> clients.add(write(client)));
        return HttpAnswer.json(clients);
    }

    /**
     * Returns all clients, or with `?limit` the first ones by name after the one in `?after`. The last client of a page
     * is the cursor of the next page; a page that is not full is the last. At most one page is held in memory.
     */
    HttpAnswer all(Context context) {
        String limit = context.queryParam("limit");
        if (limit == null) {
            return all();
        }
        if (!limit.matches("\\d{1,5}") || Integer.parseInt(limit) < 1 || Integer.parseInt(limit) > LONGEST_PAGE) {
            return HttpAnswer.refusal(Code.INVALID_REQUEST, "Invalid request: limit must be 1 to " + LONGEST_PAGE);
        }
        Page page = new Page(Integer.parseInt(limit), context.queryParam("after"));
        server.getRegistrationService().getAllRegistrations().forEachRemaining(page::offer);
        ArrayNode clients = Json.object().arrayNode();
        page.clients().forEach(client -> clients.add(write(client)));
        return HttpAnswer.json(clients);
    }

    CompletableFuture<HttpAnswer> get(HttpCall call) {
        if (call.size() == 1) {
            return withClient(call, (client, same) -> done(HttpAnswer.json(write(client))));
        }
        if (call.isComposite()) {
            return withClient(call, (client, same) ->
                    send(client, call, Requests.readComposite(call, dialect.compositeFormat(client)),
                            call.paths().toString()));
        }
        if (call.size() >= 3 && "discover".equals(call.last())) {
            return withClient(call, (client, same) ->
                    send(client, call, new DiscoverRequest(call.target(1)), call.target(1)));
        }
        return withClient(call, (client, same) ->
                send(client, call, new ReadRequest(call.format("format"), call.target(0)), call.target(0)));
    }

    CompletableFuture<HttpAnswer> put(HttpCall call) {
        if (call.isComposite()) {
            return withClient(call, (client, same) ->
                    send(client, call, Requests.writeComposite(call, dialect.compositeFormat(client)), "/"));
        }
        if (call.size() < 3) {
            return done(HttpAnswer.refusal(Code.INVALID_PATH, "Invalid path"));
        }
        if ("attributes".equals(call.last())) {
            return withClient(call, this::writeAttributes);
        }
        return withClient(call, (client, same) ->
                send(client, call, Requests.write(call, node -> dialect.writeFormat(client, node)), call.target(0)));
    }

    CompletableFuture<HttpAnswer> post(HttpCall call) {
        if (call.size() >= 3 && "observe".equals(call.last())) {
            return withClient(call, call.isComposite() ? this::observeComposite : this::observe);
        }
        if (call.size() == 4) {
            return withClient(call, (client, same) -> send(client, call, Requests.execute(call), call.target(0)));
        }
        if (call.size() == 2 || call.size() == 3) {
            return withClient(call, (client, same) ->
                    send(client, call, Requests.create(call, node -> dialect.writeFormat(client, node)), call.target(0)));
        }
        return done(HttpAnswer.refusal(Code.INVALID_PATH, "Invalid path"));
    }

    CompletableFuture<HttpAnswer> delete(HttpCall call) {
        if (call.size() >= 3 && "observe".equals(call.last())) {
            return withClient(call, call.isComposite() ? this::cancelComposite : this::cancel);
        }
        return withClient(call, (client, same) ->
                send(client, call, new DeleteRequest(call.target(0)), call.target(0)));
    }

    private CompletableFuture<HttpAnswer> writeAttributes(Registration client, HttpCall call) {
        try {
            return send(client, call, Requests.writeAttributes(call), call.target(1));
        } catch (InvalidAttributeException e) {
            return done(Failures.answer(e));
        }
    }

    private CompletableFuture<HttpAnswer> observe(Registration client, HttpCall call) {
        return send(client, call, new ObserveRequest(call.format("format"), call.target(1)), call.target(1));
    }

    private CompletableFuture<HttpAnswer> observeComposite(Registration client, HttpCall call) {
        return send(client, call, Requests.observeComposite(call, dialect.compositeFormat(client)),
                call.paths().toString());
    }

    private CompletableFuture<HttpAnswer> cancel(Registration client, HttpCall call) {
        String target = call.target(1);
        if (!call.active()) {
            server.getObservationService().cancelObservations(client, target);
            return done(HttpAnswer.empty());
        }
        LwM2mPath path = new LwM2mPath(target);
        return observations(client).filter(SingleObservation.class::isInstance).map(SingleObservation.class::cast)
                .filter(observation -> observation.getPath().equals(path)).findFirst()
                .map(observation -> send(client, call, new CancelObservationRequest(observation), target))
                .orElseGet(() -> done(HttpAnswer.refusal(Code.NO_OBSERVATION,
                        String.format("no observation for path %s for  client '%s'", target, client))));
    }

    private CompletableFuture<HttpAnswer> cancelComposite(Registration client, HttpCall call) {
        List<String> paths = call.paths();
        if (!call.active()) {
            server.getObservationService().cancelCompositeObservations(client, paths.toArray(String[]::new));
            return done(HttpAnswer.empty());
        }
        return composite(client, paths)
                .map(found -> send(client, call, new CancelCompositeObservationRequest(found), paths.toString()))
                .orElseGet(() -> done(HttpAnswer.refusal(Code.NO_OBSERVATION,
                        String.format("no composite observation for paths %s for  client '%s'", paths, client))));
    }

    private Optional<CompositeObservation> composite(Registration client, List<String> paths) {
        Set<LwM2mPath> wanted = new HashSet<>(LwM2mPath.getLwM2mPathList(paths));
        return observations(client).filter(CompositeObservation.class::isInstance).map(CompositeObservation.class::cast)
                .filter(observation -> wanted.equals(new HashSet<>(observation.getPaths()))).findFirst();
    }

    private Stream<Observation> observations(Registration client) {
        return server.getObservationService().getObservations(client).stream();
    }

    private CompletableFuture<HttpAnswer> send(
            Registration client, HttpCall call, DownlinkDeviceManagementRequest<?> request, String path) {
        return sender.send(client, request, path, call);
    }

    private CompletableFuture<HttpAnswer> withClient(
            HttpCall call, BiFunction<Registration, HttpCall, CompletableFuture<HttpAnswer>> then) {
        Registration client = server.getRegistrationService().getByEndpoint(call.endpoint());
        if (client == null) {
            String sentence = String.format("No registered client with id '%s'", call.endpoint());
            return done(HttpAnswer.refusal(Code.NOT_REGISTERED, sentence));
        }
        try {
            return then.apply(client, call);
        } catch (RuntimeException unusable) {
            return done(dialect.invalidCall(unusable));
        }
    }

    private ObjectNode write(Registration client) {
        return RegistrationWriter.write(client, server.getPresenceService().isClientAwake(client));
    }

    private static CompletableFuture<HttpAnswer> done(HttpAnswer answer) {
        return CompletableFuture.completedFuture(answer);
    }
}
