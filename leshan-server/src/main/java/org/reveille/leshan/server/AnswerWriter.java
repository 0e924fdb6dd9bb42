package org.reveille.leshan.server;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Callback;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.reveille.leshan.server.Failure.Code;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes answers of the REST API as HTTP responses.
 *
 * @param dialect chooses the form of failures
 */
record AnswerWriter(ApiDialect dialect) {
    private static final Logger LOG = LoggerFactory.getLogger(AnswerWriter.class);

    void give(Context context, HttpAnswer answer) {
        HttpAnswer given = dialect.negotiate(answer, context.header("Accept"));
        context.status(given.status());
        if (answer.failure() != null && answer.failure().code().isOverload()) {
            context.header("Retry-After", "1");
        }
        context.res().setContentType(given.contentType());
        context.result(given.body().getBytes(StandardCharsets.UTF_8));
    }

    /** Responds to a request that reaches no route of the servlet API, without blocking. */
    void give(Request request, Response response, Callback callback, HttpAnswer answer) {
        HttpAnswer given = dialect.negotiate(answer, request.getHeaders().get("Accept"));
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
        routes.exception(InvalidRequestException.class, (unusable, context) -> give(context, invalidPath(unusable)));
        routes.exception(Exception.class, (unforeseen, context) ->
                give(context, unexpected(context.method().name(), unforeseen)));
    }

    /** Returns the answer to a request whose path or query cannot be decoded. */
    static HttpAnswer invalidPath(InvalidRequestException unusable) {
        return HttpAnswer.refusal(Code.INVALID_PATH, "Invalid path: " + unusable.getMessage());
    }

    /** Logs an exception that no code expects, and returns the answer to its request. */
    static HttpAnswer unexpected(String method, Throwable unforeseen) {
        LOG.warn("{} could not be answered", method, unforeseen);
        return HttpAnswer.failure(new Failure(Code.UNEXPECTED,
                "Unexpected exception: " + unforeseen.getMessage(), Delivery.MAY_HAVE_REACHED, null));
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
}
