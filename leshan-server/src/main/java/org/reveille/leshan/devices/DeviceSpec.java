package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What a device is made of.
 *
 * @param name its endpoint name; any text
 * @param server the LwM2M server's URI such as coap://127.0.0.1:5683
 * @param queueMode whether it says that it sleeps
 * @param lifetime seconds, told at registration; nothing happens by itself when they run out
 * @param objects the objects it has besides 0 (security) and 1 (server)
 * @param attributes further attributes of its registration
 * @param credentials how it proves to the server who it is
 * @param observes whether it knows CoAP's Observe
 * @param room bytes, the largest firmware package that it has room for
 * @param radio the settings of its radio, or null for none: then it speaks to its server directly
 */
record DeviceSpec(String name, String server, boolean queueMode, long lifetime, Set<Integer> objects,
        Map<String, String> attributes, DeviceCredentials credentials, boolean observes, int room, JsonNode radio) {
    private static final int ROOM = 1 << 20;
    private static final Set<Integer> KNOWN = Set.of(3, 5, 6, 3303, 3442);

    /** @throws IllegalArgumentException when the name is missing or an object is asked for that devices do not have */
    static DeviceSpec read(JsonNode json, String server) {
        if (json.path("name").asText("").isEmpty()) {
            throw new IllegalArgumentException("name is missing");
        }
        Map<String, String> attributes = new HashMap<>();
        json.path("attributes").fields().forEachRemaining(
                each -> attributes.put(each.getKey(), each.getValue().asText()));
        String uri = json.hasNonNull("server") ? json.get("server").asText() : server;
        if (uri == null) {
            throw new IllegalArgumentException("server is missing, and the program was started without one");
        }
        return new DeviceSpec(json.get("name").asText(), uri, json.path("queueMode").asBoolean(false),
                json.path("lifetime").asLong(86_400), objects(json), attributes, DeviceCredentials.read(json),
                json.path("observes").asBoolean(true), json.path("room").asInt(ROOM),
                json.hasNonNull("radio") ? json.get("radio") : null);
    }

    private static Set<Integer> objects(JsonNode json) {
        Set<Integer> objects = new TreeSet<>();
        if (json.has("objects")) {
            json.get("objects").forEach(id -> objects.add(id.asInt()));
        } else {
            objects.addAll(Set.of(3, 5, 3303, 3442));
        }
        objects.remove(1);
        // Without object 3 no client of the library can say which bindings it has.
        objects.add(3);
        if (!KNOWN.containsAll(objects)) {
            throw new IllegalArgumentException("objects can be 1, 3, 5, 6, 3303 and 3442, not " + objects);
        }
        return objects;
    }
}
