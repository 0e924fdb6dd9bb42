package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.JsonNode;
import org.reveille.leshan.json.Json;

/**
 * One answer of the REST API.
 *
 * @param contentType null where the stock server names none (its answers to exceptions)
 */
record HttpAnswer(int status, String contentType, String body) {
    static HttpAnswer json(JsonNode body) {
        return new HttpAnswer(200, "application/json", Json.write(body));
    }

    static HttpAnswer empty() {
        return new HttpAnswer(200, null, "");
    }

    /** A refusal which the stock server words itself. */
    static HttpAnswer refusal(int status, String sentence) {
        return new HttpAnswer(status, "text/plain;charset=utf-8", sentence);
    }

    /** An exception's text. */
    static HttpAnswer failure(int status, String sentence) {
        return new HttpAnswer(status, null, sentence);
    }
}
