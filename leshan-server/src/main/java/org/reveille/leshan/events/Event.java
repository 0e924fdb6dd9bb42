package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import org.reveille.leshan.json.Json;

/**
 * One event, as it is stored and published.
 *
 * @param id globally unique, over all servers
 * @param seq grows with each event, across restarts; a GAP has that of the last event that it replaces, an event that
 *     was set aside and is redelivered has a new one
 * @param server the server's name
 * @param bootId of the process that observed it
 * @param time milliseconds since the epoch
 * @param name such as UPDATED
 * @param endpoint the client of the event, or null
 * @param data JSON text
 */
public record Event(String id, long seq, String server, String bootId, long time, String name, String endpoint,
        String data) {
    /** Returns the JSON object for the webhook and for `/api/event?envelope=true`. */
    public String envelope() {
        String head = Json.write(Json.object().put("id", id).put("seq", seq).put("server", server)
                .put("bootId", bootId).put("time", time).put("event", name));
        return head.substring(0, head.length() - 1) + ",\"data\":" + data + "}";
    }

    /** Parses an object that {@link #envelope} wrote; the endpoint is the one in the data, or null. */
    static Event read(JsonNode envelope) {
        JsonNode data = envelope.get("data");
        JsonNode registration = data.path("registration").isObject() ? data.get("registration") : data;
        JsonNode endpoint = registration.path("endpoint").isTextual() ? registration.get("endpoint") : data.path("ep");
        return new Event(envelope.get("id").asText(), envelope.get("seq").asLong(), envelope.get("server").asText(),
                envelope.get("bootId").asText(), envelope.get("time").asLong(), envelope.get("event").asText(),
                endpoint.isTextual() ? endpoint.asText() : null, Json.write(data));
    }

    /** Returns the same event with another number. */
    Event numbered(long number) {
        return new Event(id, number, server, bootId, time, name, endpoint, data);
    }

    /** Returns its approximate size in bytes, on disk and in a post. */
    int size() {
        return data.getBytes(StandardCharsets.UTF_8).length + 200;
    }
}
