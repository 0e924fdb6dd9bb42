package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.JsonNode;
import org.reveille.leshan.json.Json;

/**
 * One answer of the REST API.
 *
 * @param contentType null where the stock server names none (its answers to exceptions)
 * @param failure what the answer tells as text, or null when it is none: callers who ask for JSON get this instead
 */
record HttpAnswer(int status, String contentType, String body, Failure failure) {
    private static final String JSON = "application/json";
    /** What servers up to 2.0.0-M16 answered for a client that sleeps: callers who know no JSON know this one. */
    private static final int SLEEPING_STATUS = 400;

    static HttpAnswer json(JsonNode body) {
        return json(Json.write(body));
    }

    static HttpAnswer json(String body) {
        return new HttpAnswer(200, JSON, body, null);
    }

    static HttpAnswer empty() {
        return new HttpAnswer(200, null, "", null);
    }

    /** A refusal which the stock server words itself. */
    static HttpAnswer refusal(Failure.Code code, String sentence) {
        return new HttpAnswer(code.status(), "text/plain;charset=utf-8", sentence, Failure.refusal(code, sentence));
    }

    /** What became of trying; the stock server answers an exception's text without a type. */
    static HttpAnswer failure(Failure failure) {
        int status = failure.code() == Failure.Code.CLIENT_SLEEPING ? SLEEPING_STATUS : failure.code().status();
        return new HttpAnswer(status, null, failure.text(), failure);
    }

    /** The same for callers who asked for JSON. */
    HttpAnswer asJson() {
        return failure == null ? this
                : new HttpAnswer(failure.code().status(), JSON, Json.write(failure.json()), failure);
    }
}
