package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.TimestampedLwM2mNode;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeWriter;

/**
 * Values that a device reported for one time.
 *
 * @param time the device's own, milliseconds since the epoch, or null if it sent none: then it means "now"
 */
record Samples(Long time, Map<LwM2mPath, ? extends LwM2mNode> nodes) {
    private static final Comparator<Samples> OLDEST_FIRST =
            Comparator.comparing(Samples::time, Comparator.nullsLast(Comparator.naturalOrder()));

    static List<Samples> of(TimestampedLwM2mNodes nodes) {
        Set<Instant> times = nodes.getTimestamps();
        return sorted(times.stream().map(time -> new Samples(millis(time), nodes.getNodesAt(time))).toList());
    }

    /** Returns the samples of a notification; empty if it is an error. */
    static List<Samples> of(LwM2mPath path, ObserveResponse response) {
        List<TimestampedLwM2mNode> timed = response.getTimestampedLwM2mNodes();
        if (timed != null) {
            return sorted(timed.stream()
                    .map(one -> new Samples(millis(one.getTimestamp()), Map.of(path, one.getNode()))).toList());
        }
        LwM2mNode content = response.getContent();
        return content == null ? List.of() : List.of(new Samples(null, Map.of(path, content)));
    }

    /** Returns the samples of a notification; empty if it is an error. */
    static List<Samples> of(ObserveCompositeResponse response) {
        TimestampedLwM2mNodes timed = response.getTimestampedLwM2mNodes();
        if (timed != null) {
            return of(timed);
        }
        Map<LwM2mPath, LwM2mNode> content = response.getContent();
        return content == null ? List.of() : List.of(new Samples(null, content));
    }

    /** Returns the newest node of each path. */
    static Map<LwM2mPath, LwM2mNode> newest(List<Samples> samples) {
        Map<LwM2mPath, LwM2mNode> newest = new HashMap<>();
        samples.forEach(sample -> newest.putAll(sample.nodes()));
        return newest;
    }

    /**
     * Splits samples into several parts, in order, each of approximately at most the given bytes of JSON; a larger
     * single node is a part of its own.
     */
    static List<List<Samples>> split(List<Samples> samples, int mostBytes) {
        List<List<Samples>> parts = new ArrayList<>();
        List<Samples> part = List.of();
        int room = 0;
        for (Samples sample : samples) {
            for (Map.Entry<LwM2mPath, ? extends LwM2mNode> node : sample.nodes().entrySet()) {
                Samples one = new Samples(sample.time(), Map.of(node.getKey(), node.getValue()));
                int bytes = Json.write(one.write()).getBytes(StandardCharsets.UTF_8).length;
                if (bytes > room) {
                    part = new ArrayList<>();
                    parts.add(part);
                    room = mostBytes;
                }
                room -= bytes;
                part.add(one);
            }
        }
        return parts.stream().map(Samples::joined).toList();
    }

    /** Joins neighbors with the same time. */
    private static List<Samples> joined(List<Samples> ones) {
        List<Samples> joined = new ArrayList<>();
        Map<LwM2mPath, LwM2mNode> nodes = Map.of();
        for (Samples one : ones) {
            if (joined.isEmpty() || !Objects.equals(joined.get(joined.size() - 1).time(), one.time())) {
                nodes = new LinkedHashMap<>();
                joined.add(new Samples(one.time(), nodes));
            }
            nodes.putAll(one.nodes());
        }
        return joined;
    }

    static ArrayNode write(List<Samples> samples) {
        return samples.stream().map(Samples::write)
                .collect(Collectors.collectingAndThen(Collectors.toList(), Json.object().arrayNode()::addAll));
    }

    private JsonNode write() {
        ObjectNode json = Json.object().put("time", time);
        json.set("val", NodeWriter.write(nodes));
        return json;
    }

    private static Long millis(Instant time) {
        return time == null ? null : time.toEpochMilli();
    }

    private static List<Samples> sorted(List<Samples> samples) {
        List<Samples> sorted = new ArrayList<>(samples);
        sorted.sort(OLDEST_FIRST);
        return sorted;
    }
}
