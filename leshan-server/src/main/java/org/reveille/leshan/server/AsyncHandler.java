package org.reveille.leshan.server;

import java.util.concurrent.CompletableFuture;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;

/**
 * A handler of HTTP requests that are answered later, by the thread that completes the answer and without blocking: no
 * thread waits for a device or a slow reader. The servlet API, which has the other routes, needs a thread for each.
 */
abstract class AsyncHandler extends Handler.Wrapper {
    private final AnswerWriter answers;

    AsyncHandler(ApiDialect dialect) {
        this.answers = new AnswerWriter(dialect);
    }

    /**
     * Begins to handle a request.
     *
     * @return completes with the answer; null if the next handler handles the request
     * @throws InvalidRequestException if path or query cannot be decoded
     */
    abstract CompletableFuture<HttpAnswer> answer(Request request);

    @Override
    public final boolean handle(Request request, Response response, Callback callback) throws Exception {
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
}
