package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.request.ContentFormat;

/**
 * The specification of a device.
 *
 * @param name its endpoint name; any text
 * @param server the LwM2M server's URI such as coap://127.0.0.1:5683
 * @param queueMode whether it registers with queue mode
 * @param lifetime seconds, sent at registration; the device does nothing when they have elapsed
 * @param objects its objects besides 0 (security) and 1 (server)
 * @param attributes further attributes of its registration
 * @param credentials how it authenticates to the server
 * @param observes whether it supports CoAP's Observe
 * @param formats the content formats that it registers, or null for all that it reads and writes
 * @param shortUnsigned whether unsigned integers in TLV have no sign and the fewest bytes: 255 is 0xff
 * @param room bytes, the largest firmware package that it can store
 * @param firmware how it updates its firmware
 * @param radio the settings of its radio, or null for none: then it sends to its server directly
 */
record DeviceSpec(String name, String server, boolean queueMode, long lifetime, Set<Integer> objects,
        Map<String, String> attributes, DeviceCredentials credentials, boolean observes,
        Set<ContentFormat> formats, boolean shortUnsigned, int room,
        FirmwareBehavior firmware, JsonNode radio) {
    private static final int ROOM = 1 << 20;
    /** Objects that every device has or that none can have. */
    private static final Set<Integer> RESERVED = Set.of(0, 2, 21);

    /**
     * Parses a device's specification.
     *
     * @param model the supported objects
     * @throws IllegalArgumentException if the name is missing or devices do not support a requested object
     */
    static DeviceSpec read(JsonNode json, String server, LwM2mModel model) {
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
                json.path("lifetime").asLong(86_400), objects(json, model), attributes, DeviceCredentials.read(json),
                json.path("observes").asBoolean(true), formats(json), json.path("shortUnsigned").asBoolean(false),
                json.path("room").asInt(ROOM),
                json.hasNonNull("firmware") ? FirmwareBehavior.read(json.get("firmware")) : FirmwareBehavior.NORMAL,
                json.hasNonNull("radio") ? json.get("radio") : null);
    }

    private static Set<ContentFormat> formats(JsonNode json) {
        if (!json.hasNonNull("formats")) {
            return null;
        }
        Set<ContentFormat> formats = new HashSet<>();
        for (JsonNode name : json.get("formats")) {
            ContentFormat format = ContentFormat.fromName(name.asText());
            if (format == null) {
                throw new IllegalArgumentException("Unknown content format " + name);
            }
            formats.add(format);
        }
        return formats;
    }

    private static Set<Integer> objects(JsonNode json, LwM2mModel model) {
        Set<Integer> objects = new TreeSet<>();
        if (json.has("objects")) {
            json.get("objects").forEach(id -> objects.add(id.asInt()));
        } else {
            objects.addAll(Set.of(3, 5, 3303, 3442));
        }
        objects.remove(1);
        // Without object 3 no client of the library can determine its bindings.
        objects.add(3);
        for (int id : objects) {
            if (RESERVED.contains(id) || model.getObjectModel(id) == null) {
                throw new IllegalArgumentException("objects must be of the registry, and not 0, 2 or 21: " + id);
            }
        }
        return objects;
    }
}
