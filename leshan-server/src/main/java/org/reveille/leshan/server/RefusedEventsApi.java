package org.reveille.leshan.server;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;

/** Serves `/api/events/refused/redeliver`, in production mode: events that the webhook refused are posted again. */
final class RefusedEventsApi {
    private final Outbox outbox;
    private final AnswerWriter answers;
    private final Executor workers;

    private RefusedEventsApi(Outbox outbox, AnswerWriter answers, Executor workers) {
        this.outbox = outbox;
        this.answers = answers;
        this.workers = workers;
    }

    /**
     * Adds the route.
     *
     * @param workers write the responses
     */
    static void addTo(RoutesConfig routes, Outbox outbox, AnswerWriter answers, Executor workers) {
        RefusedEventsApi api = new RefusedEventsApi(outbox, answers, workers);
        routes.post("/api/events/refused/redeliver", api::redeliver);
    }

    private void redeliver(Context context) {
        CompletableFuture<Outbox.Redelivery> redelivery;
        try {
            redelivery = outbox.redeliver();
        } catch (IllegalStateException noWebhook) {
            answers.give(context, HttpAnswer.refusal(Code.INVALID_REQUEST, "Invalid request: " + noWebhook.getMessage()));
            return;
        }
        // Not answered on the store's thread, which must not wait for a slow reader.
        context.future(() -> redelivery.thenAcceptAsync(done -> answers.give(context, json(done)), workers));
    }

    private static HttpAnswer json(Outbox.Redelivery done) {
        return HttpAnswer.json(Json.object().put("redelivered", done.redelivered()).put("left", done.left()));
    }
}
