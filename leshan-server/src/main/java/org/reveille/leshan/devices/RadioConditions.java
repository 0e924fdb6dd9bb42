package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.reveille.leshan.json.Json;

/**
 * The conditions for the datagrams of one direction.
 *
 * @param loss percentage of lost datagrams
 * @param duplicates percentage of datagrams that arrive twice
 * @param delayMillis minimum delay of each
 * @param spreadMillis maximum additional delay; of two datagrams within it the later one may arrive first
 */
record RadioConditions(double loss, double duplicates, long delayMillis, long spreadMillis) {
    static final RadioConditions IDEAL = new RadioConditions(0, 0, 0, 0);

    RadioConditions {
        if (loss < 0 || loss > 100 || duplicates < 0 || duplicates > 100 || delayMillis < 0 || spreadMillis < 0) {
            throw new IllegalArgumentException("loss and duplicates are percent, delayMs and spreadMs milliseconds");
        }
    }

    /** Returns these conditions with the changes in the JSON. */
    RadioConditions with(JsonNode json) {
        return new RadioConditions(json.path("loss").asDouble(loss), json.path("duplicates").asDouble(duplicates),
                json.path("delayMs").asLong(delayMillis), json.path("spreadMs").asLong(spreadMillis));
    }

    ObjectNode write() {
        return Json.object().put("loss", loss).put("duplicates", duplicates)
                .put("delayMs", delayMillis).put("spreadMs", spreadMillis);
    }
}
