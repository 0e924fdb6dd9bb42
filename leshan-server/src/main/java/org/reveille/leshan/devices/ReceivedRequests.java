package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.reveille.leshan.json.Json;

/** The requests that reached a device's objects, in order, after CoAP has removed retransmissions. */
final class ReceivedRequests {
    private final List<ObjectNode> deliveries = new ArrayList<>();
    private long sequence;

    synchronized void add(DownlinkRequest<?> request) {
        ObjectNode json = RequestWriter.write(request);
        json.put("seq", ++sequence).put("time", System.currentTimeMillis());
        deliveries.add(json);
    }

    synchronized void reset() {
        deliveries.clear();
    }

    /** Returns the deliveries with this method and this path; null matches any. */
    synchronized ArrayNode list(String method, String path) {
        ArrayNode json = Json.object().arrayNode();
        deliveries.stream().filter(each -> has(each, "method", method) && has(each, "path", path)).forEach(json::add);
        return json;
    }

    private static boolean has(JsonNode delivery, String key, String wanted) {
        return wanted == null || wanted.equals(delivery.get(key).asText());
    }
}
