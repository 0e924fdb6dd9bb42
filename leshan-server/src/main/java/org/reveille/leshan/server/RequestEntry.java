package org.reveille.leshan.server;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.server.Failure.Code;

/**
 * The stored state of one request id. Times are milliseconds since the epoch.
 *
 * @param path the request's target as in events
 * @param digest identifies a different request with the same id
 * @param status the HTTP status of the response, failures in their JSON form; null unless DONE
 */
record RequestEntry(String id, String endpoint, String path, String digest, State state, long receivedAt,
        Long finishedAt, String delivery, Integer status, String contentType, String body) {
    /** State of a request; CLOSED is an id that is refused from now on. */
    enum State { RUNNING, DONE, INTERRUPTED, CLOSED }

    static final HttpAnswer REUSED = HttpAnswer.failure(
            Failure.refusal(Code.REQUEST_ID_REUSED, "Request id reused: it belongs to another request"));
    private static final HttpAnswer CLOSED = HttpAnswer.failure(
            Failure.refusal(Code.REQUEST_CLOSED, "Request closed: its id was closed before it arrived"));
    static final HttpAnswer INTERRUPTED = HttpAnswer.failure(new Failure(Code.INTERRUPTED,
            "Interrupted: the server stopped while the call was open", Delivery.MAY_HAVE_REACHED, null));

    /** Returns the entry of a request that is about to be sent. */
    static RequestEntry running(String id, String endpoint, String path, String digest) {
        return new RequestEntry(id, endpoint, path, digest, State.RUNNING, 0, null, null, null, null, null);
    }

    /**
     * Returns this entry with the response to its request.
     *
     * @param given the response, failures in their JSON form
     */
    RequestEntry done(long at, Delivery how, HttpAnswer given) {
        return new RequestEntry(id, endpoint, path, digest, State.DONE, receivedAt, at, how.name(), given.status(),
                given.contentType(), given.body());
    }

    /** Returns the response to a call with this digest under this id, which is already known. */
    HttpAnswer answerTo(String callDigest) {
        return state == State.CLOSED || digest.equals(callDigest) ? answer() : REUSED;
    }

    /** Returns the representation in `/api/requests/{id}`; null is an unknown id. */
    static ObjectNode json(String id, RequestEntry known) {
        return known == null || known.state == State.CLOSED
                ? Json.object().put("id", id).put("state", "NOT_RECEIVED") : known.json();
    }

    /** Returns the data of the event that publishes the result. */
    ObjectNode event() {
        ObjectNode json = Json.object().put("ep", endpoint).put("path", path).put("requestId", id);
        Failure failure = answer().failure();
        json.set(failure == null ? "response" : "error", failure == null ? read(body) : failure.json());
        return json.put("delayed", false);
    }

    private ObjectNode json() {
        ObjectNode json = Json.object().put("id", id).put("state", state.name());
        json.put("endpoint", endpoint).put("receivedAt", receivedAt);
        if (state != State.RUNNING) {
            json.put("finishedAt", finishedAt).put("delivery", delivery);
        }
        if (state == State.DONE) {
            json.putObject("answer").put("status", status).put("contentType", contentType).put("body", body);
        }
        return json;
    }

    private HttpAnswer answer() {
        return switch (state) {
            case CLOSED -> CLOSED;
            case RUNNING, INTERRUPTED -> INTERRUPTED;
            case DONE -> status < 300 ? HttpAnswer.json(body) : HttpAnswer.failure(Failure.of(read(body)));
        };
    }

    private static JsonNode read(String json) {
        try {
            return Json.read(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a stored answer is unreadable", e);
        }
    }
}
