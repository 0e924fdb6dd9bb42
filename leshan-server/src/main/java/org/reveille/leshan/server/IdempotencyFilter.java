package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.SQLException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes calls with an id idempotent: a repeat joins the running call, or receives the response of the first call. */
final class IdempotencyFilter implements CallHandler.Filter {
    private static final Logger LOG = LoggerFactory.getLogger(IdempotencyFilter.class);

    /** A call that is being executed. */
    private record Running(String digest, CompletableFuture<HttpAnswer> answer) {
    }

    private final RequestLog log;
    private final Executor workers;
    private final Map<String, Running> running = new ConcurrentHashMap<>();

    /**
     * Creates the filter.
     *
     * @param workers few threads, for reading from the disk
     */
    IdempotencyFilter(RequestLog log, Executor workers) {
        this.log = log;
        this.workers = workers;
    }

    /** Executes the operation unless its id is known. A call without an id is always executed. */
    @Override
    public CompletableFuture<HttpAnswer> answer(
            HttpCall call, Function<HttpCall, CompletableFuture<HttpAnswer>> operation) {
        String id;
        try {
            id = call.id();
        } catch (RuntimeException unusable) {
            return CompletableFuture.completedFuture(Failures.answer(unusable));
        }
        return id == null ? operation.apply(call) : runOnce(id, call, operation);
    }

    /**
     * Returns the state of an id, see {@link RequestEntry#json}.
     *
     * @param close whether an unknown id is refused from now on
     * @param seconds how long to wait for a running call
     */
    CompletableFuture<ObjectNode> state(String id, boolean close, long seconds) {
        Running open = running.get(id);
        if (open == null || seconds <= 0) {
            return state(id, close);
        }
        return open.answer().copy().completeOnTimeout(null, seconds, TimeUnit.SECONDS)
                .thenComposeAsync(done -> state(id, close), workers);
    }

    private CompletableFuture<HttpAnswer> runOnce(
            String id, HttpCall call, Function<HttpCall, CompletableFuture<HttpAnswer>> operation) {
        Running mine = new Running(call.digest(), new CompletableFuture<>());
        Running other = running.putIfAbsent(id, mine);
        if (other != null) {
            return other.digest().equals(mine.digest()) ? other.answer()
                    : CompletableFuture.completedFuture(RequestEntry.REUSED);
        }
        try {
            // Not thenAccept: a call that failed without an answer would be RUNNING forever.
            operation.apply(call).thenCompose(answer -> known(id, mine, answer)).whenComplete((answer, failure) ->
                    end(id, mine, failure == null ? answer : Failures.answer(failure, Delivery.MAY_HAVE_REACHED)));
        } catch (RuntimeException broken) {
            end(id, mine, Failures.answer(broken));
        }
        return mine.answer();
    }

    private void end(String id, Running mine, HttpAnswer answer) {
        running.remove(id);
        mine.answer().complete(answer);
    }

    /**
     * Returns the stored response of the first call if the repeat was refused. A repeat may be refused for a reason
     * that did not apply to the first: then the first call's response is used. A worker reads it: this may be the
     * store's thread, whose writes must not wait for a reader.
     */
    private CompletableFuture<HttpAnswer> known(String id, Running mine, HttpAnswer answer) {
        if (answer.failure() == null || answer.failure().delivery() != Delivery.NOT_SENT) {
            return CompletableFuture.completedFuture(answer);
        }
        return CompletableFuture.supplyAsync(() -> {
            try {
                RequestEntry entry = log.find(id);
                return entry == null ? answer : entry.answerTo(mine.digest());
            } catch (SQLException e) {
                LOG.error("the log of requests cannot be read", e);
                return answer;
            }
        }, workers);
    }

    private CompletableFuture<ObjectNode> state(String id, boolean close) {
        if (close) {
            return log.close(id).thenApply(entry -> RequestEntry.json(id, entry));
        }
        try {
            return CompletableFuture.completedFuture(RequestEntry.json(id, log.find(id)));
        } catch (SQLException e) {
            return CompletableFuture.failedFuture(e);
        }
    }
}
