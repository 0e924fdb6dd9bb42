package org.reveille.leshan.server;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.reveille.leshan.server.Failure.Code;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes HTTP responses: failures as JSON if the caller accepts JSON, otherwise as the stock server's text.
 *
 * @param stock whether JSON is never chosen, as in the stock server
 */
record Answers(boolean stock) {
    private static final Logger LOG = LoggerFactory.getLogger(Answers.class);

    void give(Context context, HttpAnswer answer) {
        HttpAnswer given = !stock && wantsJson(context.header("Accept")) ? answer.asJson() : answer;
        context.status(given.status());
        if (answer.failure() != null && answer.failure().code().isOverload()) {
            context.header("Retry-After", "1");
        }
        context.res().setContentType(given.contentType());
        context.result(given.body().getBytes(StandardCharsets.UTF_8));
    }

    /** Responds to a request that reaches no route of the servlet API, without blocking. */
    void give(Request request, Response response, Callback callback, HttpAnswer answer) {
        HttpAnswer given = !stock && wantsJson(request.getHeaders().get("Accept")) ? answer.asJson() : answer;
        response.setStatus(given.status());
        if (answer.failure() != null && answer.failure().code().isOverload()) {
            response.getHeaders().put("Retry-After", "1");
        }
        if (given.contentType() != null) {
            response.getHeaders().put(HttpHeader.CONTENT_TYPE, given.contentType());
        }
        response.write(true, StandardCharsets.UTF_8.encode(given.body()), callback);
    }

    /** Adds handlers for the exceptions that no route handles. */
    void addTo(RoutesConfig routes) {
        routes.exception(HttpResponseException.class, (refused, context) -> give(context, of(refused)));
        routes.exception(Exception.class, (unforeseen, context) -> {
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

    private static boolean wantsJson(String accept) {
        return accept != null && accept.contains("application/json");
    }
}
