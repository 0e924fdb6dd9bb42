package org.reveille.leshan.server;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.eclipse.jetty.server.Request;
import org.reveille.leshan.server.Failure.Code;

/** Handles `/api/requests/{id}`: GET reports the state of a request id, DELETE also refuses the id from then on. */
final class RequestStateHandler extends AsyncHandler {
    private static final int LONGEST_WAIT_S = 30;

    private final ApiDialect dialect;
    private final IdempotencyFilter requests;

    RequestStateHandler(ApiDialect dialect, IdempotencyFilter requests) {
        super(dialect);
        this.dialect = dialect;
        this.requests = requests;
    }

    @Override
    CompletableFuture<HttpAnswer> answer(Request request) {
        boolean close = request.getMethod().equals("DELETE");
        if (!close && !request.getMethod().equals("GET")) {
            return null;
        }
        List<String> segments = dialect.segments(request);
        if (segments.size() != 4 || !segments.get(0).equals("api") || !segments.get(1).equals("requests")) {
            return null;
        }
        String id = segments.get(2) + "/" + segments.get(3);
        if (!RequestLog.isId(id)) {
            return CompletableFuture.completedFuture(
                    HttpAnswer.refusal(Code.INVALID_REQUEST, "Invalid request: no request id"));
        }
        String wait = Queries.of(request).getValue("wait");
        long seconds = wait != null && wait.matches("\\d{1,9}") ? Math.min(Long.parseLong(wait), LONGEST_WAIT_S) : 0;
        return requests.state(id, close, seconds).thenApply(HttpAnswer::json);
    }
}
