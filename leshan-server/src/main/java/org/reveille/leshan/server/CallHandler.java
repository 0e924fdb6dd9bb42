package org.reveille.leshan.server;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.eclipse.jetty.server.Request;
import org.reveille.leshan.monitoring.Metrics;

/** Handles calls, the requests below `/api/clients/{endpoint}`: each is an operation on a device. */
final class CallHandler extends AsyncHandler {
    /** Executes the operation of a call, or answers the call without it. */
    @FunctionalInterface
    interface Filter {
        CompletableFuture<HttpAnswer> answer(
                HttpCall call, Function<HttpCall, CompletableFuture<HttpAnswer>> operation);
    }

    private final ClientsApi clients;
    private final ApiDialect dialect;
    private final Filter filter;
    private final Metrics metrics;

    CallHandler(ClientsApi clients, ApiDialect dialect, Filter filter, Metrics metrics) {
        super(dialect);
        this.clients = clients;
        this.dialect = dialect;
        this.filter = filter;
        this.metrics = metrics;
    }

    @Override
    CompletableFuture<HttpAnswer> answer(Request request) {
        Function<HttpCall, CompletableFuture<HttpAnswer>> operation = operation(request.getMethod());
        if (operation == null) {
            return null;
        }
        List<String> segments = dialect.segments(request);
        if (segments.size() < 3 || !segments.get(0).equals("api") || !segments.get(1).equals("clients")) {
            return null;
        }
        HttpCall call = new HttpCall(request, segments.subList(2, segments.size()), dialect);
        return metrics.call(filter.answer(call, operation), CallHandler::outcome);
    }

    private Function<HttpCall, CompletableFuture<HttpAnswer>> operation(String method) {
        return switch (method) {
            case "GET" -> clients::get;
            case "PUT" -> clients::put;
            case "POST" -> clients::post;
            case "DELETE" -> clients::delete;
            default -> null;
        };
    }

    private static String outcome(HttpAnswer answer) {
        return answer.failure() == null ? "ANSWERED" : answer.failure().code().name();
    }
}
