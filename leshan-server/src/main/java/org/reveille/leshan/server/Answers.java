package org.reveille.leshan.server;

import io.javalin.Javalin;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import java.nio.charset.StandardCharsets;
import org.reveille.leshan.server.Failure.Code;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How callers are answered: errors as JSON to those who ask for it, otherwise in the stock server's words.
 *
 * @param stock whether JSON is no choice, as with the stock server
 */
record Answers(boolean stock) {
    private static final Logger LOG = LoggerFactory.getLogger(Answers.class);

    void give(Context context, HttpAnswer answer) {
        HttpAnswer given = !stock && wantsJson(context) ? answer.asJson() : answer;
        context.status(given.status());
        if (answer.failure() != null && answer.failure().code().isOverload()) {
            context.header("Retry-After", "1");
        }
        context.res().setContentType(given.contentType());
        context.result(given.body().getBytes(StandardCharsets.UTF_8));
    }

    /** Answers what nobody else has an answer for. */
    void addTo(Javalin app) {
        app.exception(HttpResponseException.class, (refused, context) -> give(context, of(refused)));
        app.exception(Exception.class, (unforeseen, context) -> {
            LOG.warn("{} could not be answered", context.method(), unforeseen);
            give(context, HttpAnswer.failure(new Failure(Code.UNEXPECTED,
                    "Unexpected exception: " + unforeseen.getMessage(), Delivery.MAY_HAVE_REACHED, null)));
        });
    }

    private static HttpAnswer of(HttpResponseException refused) {
        Code code = switch (refused.getStatus()) {
            case 404 -> Code.NOT_FOUND;
            case 405 -> Code.METHOD_NOT_ALLOWED;
            case 413 -> Code.TOO_LARGE;
            default -> Code.INVALID_REQUEST;
        };
        return HttpAnswer.refusal(code, refused.getMessage());
    }

    private static boolean wantsJson(Context context) {
        String accept = context.header("Accept");
        return accept != null && accept.contains("application/json");
    }
}
