package org.reveille.leshan.events;

import java.nio.charset.StandardCharsets;
import org.reveille.leshan.json.Json;

/**
 * One thing that happened, as it is kept and told.
 *
 * @param id unique for ever, over all servers
 * @param seq grows with each event, across restarts; a GAP has that of the last event it stands for
 * @param server the server's name
 * @param bootId of the process that saw it
 * @param time milliseconds since the epoch
 * @param name such as UPDATED
 * @param endpoint the client it is about, or null
 * @param data JSON text
 */
public record Event(String id, long seq, String server, String bootId, long time, String name, String endpoint,
        String data) {
    /** The JSON object that the webhook and `/api/event?envelope=true` tell. */
    public String envelope() {
        String head = Json.write(Json.object().put("id", id).put("seq", seq).put("server", server)
                .put("bootId", bootId).put("time", time).put("event", name));
        return head.substring(0, head.length() - 1) + ",\"data\":" + data + "}";
    }

    /** Roughly the bytes it takes, on disk and in a post. */
    int size() {
        return data.getBytes(StandardCharsets.UTF_8).length + 200;
    }
}
