package org.reveille.leshan.events;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;
import org.reveille.leshan.json.Json;

/** Counts events that no receiver gets: the data of an event GAP. Not thread-safe. */
final class Gap {
    static final String NAME = "GAP";

    private final Map<String, Long> byEvent = new TreeMap<>();
    private long fromTime = Long.MAX_VALUE;
    private long toTime;

    /**
     * Adds events of one time.
     *
     * @param time milliseconds since the epoch
     */
    void add(String name, long count, long time) {
        byEvent.merge(name, count, Long::sum);
        during(time, time);
    }

    /** Adds the counts of another gap. */
    void add(Gap other) {
        other.byEvent.forEach((name, count) -> byEvent.merge(name, count, Long::sum));
        during(other.fromTime, other.toTime);
    }

    /**
     * Adds the counts of an earlier event GAP.
     *
     * @param data of that event
     * @throws IllegalStateException if it is not such data
     */
    void add(String data) {
        try {
            JsonNode json = Json.read(data);
            json.get("byEvent").fields().forEachRemaining(
                    count -> byEvent.merge(count.getKey(), count.getValue().asLong(), Long::sum));
            during(json.get("fromTime").asLong(), json.get("toTime").asLong());
        } catch (JsonProcessingException unreadable) {
            throw new IllegalStateException("an event GAP cannot be read", unreadable);
        }
    }

    boolean isEmpty() {
        return byEvent.isEmpty();
    }

    /** Returns the number of counted events. */
    long events() {
        return byEvent.values().stream().mapToLong(count -> count).sum();
    }

    /** Returns {@code {"dropped", "byEvent", "fromTime", "toTime"}}. */
    ObjectNode json() {
        ObjectNode json = Json.object().put("dropped", events());
        ObjectNode counts = json.putObject("byEvent");
        byEvent.forEach(counts::put);
        return json.put("fromTime", fromTime).put("toTime", toTime);
    }

    private void during(long from, long to) {
        fromTime = Math.min(fromTime, from);
        toTime = Math.max(toTime, to);
    }
}
