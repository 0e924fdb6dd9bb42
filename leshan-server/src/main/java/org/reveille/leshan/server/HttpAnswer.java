package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.JsonNode;
import org.reveille.leshan.json.Json;

/**
 * One response of the REST API.
 *
 * @param contentType null where the stock server sets none (its responses to exceptions)
 * @param failure the failure that the body describes as text, or null if there is none: callers that accept JSON
 *     receive this instead
 */
record HttpAnswer(int status, String contentType, String body, Failure failure) {
    private static final String JSON = "application/json";
    /** The answer to a path that nothing serves. */
    static final HttpAnswer NOT_FOUND = refusal(Failure.Code.NOT_FOUND, "Not Found");

    /** Status of servers up to 2.0.0-M16 for a sleeping client: callers that do not read JSON know this status. */
    private static final int SLEEPING_STATUS = 400;

    static HttpAnswer json(JsonNode body) {
        return json(Json.write(body));
    }

    static HttpAnswer json(String body) {
        return new HttpAnswer(200, JSON, body, null);
    }

    static HttpAnswer empty() {
        return withoutBody(200);
    }

    static HttpAnswer withoutBody(int status) {
        return new HttpAnswer(status, null, "", null);
    }

    /** Returns a refusal with a message of the stock server itself. */
    static HttpAnswer refusal(Failure.Code code, String sentence) {
        return new HttpAnswer(code.status(), "text/plain;charset=utf-8", sentence, Failure.refusal(code, sentence));
    }

    /** Returns the result of a failed attempt; the stock server sends an exception's text without a content type. */
    static HttpAnswer failure(Failure failure) {
        int status = failure.code() == Failure.Code.CLIENT_SLEEPING ? SLEEPING_STATUS : failure.code().status();
        return new HttpAnswer(status, null, failure.text(), failure);
    }

    /** Returns the same response for callers that accept JSON. */
    HttpAnswer asJson() {
        return failure == null ? this
                : new HttpAnswer(failure.code().status(), JSON, Json.write(failure.json()), failure);
    }
}
