package org.reveille.leshan.server;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.reveille.leshan.monitoring.Metrics;
import org.reveille.leshan.server.Failure.Code;

/**
 * Handles calls: requests below `/api/clients/{endpoint}` and, in production mode, `/api/requests/{id}`. Other requests
 * go on to the next handler. The response is written without blocking by the thread that completes the call, so no
 * thread waits for a device or for a slow reader. The servlet API, which has the other routes, needs a thread for each.
 */
final class CallHandler extends Handler.Wrapper {
    private static final int LONGEST_WAIT_S = 30;

    private final ClientsApi clients;
    private final IdempotencyFilter idempotency;
    private final Metrics metrics;
    private final AnswerWriter answers;

    /**
     * Creates the handler.
     *
     * @param idempotency null in stock mode, which has no feature that the stock server lacks
     */
    CallHandler(ClientsApi clients, IdempotencyFilter idempotency, Metrics metrics) {
        this.clients = clients;
        this.idempotency = idempotency;
        this.metrics = metrics;
        this.answers = new AnswerWriter(isStock());
    }

    boolean isStock() {
        return idempotency == null;
    }

    @Override
    public boolean handle(Request request, Response response, Callback callback) throws Exception {
        CompletableFuture<HttpAnswer> answer;
        try {
            answer = answer(request);
        } catch (InvalidRequestException unusable) {
            answer = CompletableFuture.completedFuture(AnswerWriter.invalidPath(unusable));
        } catch (RuntimeException unforeseen) {
            answer = CompletableFuture.failedFuture(unforeseen);
        }
        if (answer == null) {
            return super.handle(request, response, callback);
        }
        answer.whenComplete((given, failure) -> answers.give(request, response, callback,
                failure == null ? given : AnswerWriter.unexpected(request.getMethod(), failure)));
        return true;
    }

    /** Returns the response to a request, or null if the request is not a call. */
    private CompletableFuture<HttpAnswer> answer(Request request) {
        Function<HttpCall, CompletableFuture<HttpAnswer>> operation = operation(request.getMethod());
        if (operation == null) {
            return null;
        }
        List<String> parts = isStock() ? Paths.canonical(request) : Paths.asSent(request);
        if (parts.size() >= 3 && parts.get(0).equals("api") && parts.get(1).equals("clients")) {
            HttpCall call = new HttpCall(request, parts.subList(2, parts.size()), isStock());
            return metrics.call(
                    isStock() ? operation.apply(call) : idempotency.answer(call, operation), CallHandler::outcome);
        }
        if (!isStock() && parts.size() == 4 && parts.get(0).equals("api") && parts.get(1).equals("requests")) {
            return request(request, parts.get(2) + "/" + parts.get(3));
        }
        return null;
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

    /** Reports the state of a request id: GET, or DELETE to refuse it from now on. */
    private CompletableFuture<HttpAnswer> request(Request request, String id) {
        boolean close = request.getMethod().equals("DELETE");
        if (!close && !request.getMethod().equals("GET")) {
            return null;
        }
        if (!RequestLog.isId(id)) {
            return CompletableFuture.completedFuture(
                    HttpAnswer.refusal(Code.INVALID_REQUEST, "Invalid request: no request id"));
        }
        String wait = Queries.of(request).getValue("wait");
        long seconds = wait != null && wait.matches("\\d{1,9}") ? Math.min(Long.parseLong(wait), LONGEST_WAIT_S) : 0;
        return idempotency.state(id, close, seconds).thenApply(HttpAnswer::json);
    }
}
