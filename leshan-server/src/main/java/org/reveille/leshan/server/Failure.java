package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.reveille.leshan.json.Json;

/**
 * The reason why a call has no response of a device.
 *
 * @param text the stock server's sentence, or one in its style
 * @param awakeUntil for CLIENT_SLEEPING: milliseconds since the epoch at which the client was last considered awake,
 *     null if no message of it has been received since the server started
 */
record Failure(Code code, String text, Delivery delivery, Long awakeUntil) {
    /** The reason as a code for programs. */
    enum Code {
        NOT_REGISTERED(400, false),
        INVALID_REQUEST(400, false),
        INVALID_ATTRIBUTES(400, false),
        INVALID_PATH(400, false),
        UNAUTHORIZED(401, false),
        FORBIDDEN(403, false),
        METHOD_NOT_ALLOWED(405, false),
        BODY_TIMEOUT(408, false),
        TOO_LARGE(413, false),
        CLIENT_SLEEPING(409, false),
        BUSY(409, false),
        TOO_MANY_CALLS(429, false),
        SHUTTING_DOWN(503, false),
        REQUEST_ID_REUSED(422, false),
        REQUEST_CLOSED(409, false),
        NOT_FOUND(404, false),
        NO_OBSERVATION(404, false),
        REQUEST_TIMEOUT(504, true),
        REQUEST_REJECTED(500, true),
        REQUEST_CANCELLED(500, true),
        INVALID_RESPONSE(500, true),
        RESPONSE_TOO_LARGE(500, true),
        NOT_CONNECTED(500, true),
        UNEXPECTED(500, true),
        INTERRUPTED(500, true);

        private final int status;
        private final boolean result;

        Code(int status, boolean result) {
            this.status = status;
            this.result = result;
        }

        /** Returns the HTTP status of the code. */
        int status() {
            return status;
        }

        /**
         * Returns whether the failure is the result of an attempt: then it is stored with the request's id. A refused
         * call may be retried.
         */
        boolean isResult() {
            return result;
        }

        /** Returns whether the same call may be retried a second later. */
        boolean isOverload() {
            return this == TOO_MANY_CALLS || this == SHUTTING_DOWN;
        }
    }

    /** Returns a failure before anything was sent. */
    static Failure refusal(Code code, String text) {
        return new Failure(code, text, Delivery.NOT_SENT, null);
    }

    ObjectNode json() {
        ObjectNode json = Json.object();
        json.put("code", code.name()).put("text", text).put("delivery", delivery.name());
        return code == Code.CLIENT_SLEEPING ? json.put("awakeUntil", awakeUntil) : json;
    }

    /** Returns the failure that {@link #json()} wrote. */
    static Failure of(JsonNode json) {
        JsonNode until = json.path("awakeUntil");
        return new Failure(Code.valueOf(json.path("code").asText()), json.path("text").asText(),
                Delivery.valueOf(json.path("delivery").asText()), until.isNumber() ? until.asLong() : null);
    }
}
