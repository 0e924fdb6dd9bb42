package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mSingleResource;

/** Reads LwM2M nodes from the JSON form that the stock server accepts as the body of a write. */
public final class NodeReader {
    private NodeReader() {
    }

    /**
     * Reads a node of any kind.
     *
     * @throws IllegalArgumentException for an unknown kind or type and for values that are invalid for their type
     * @throws NullPointerException if a key is missing; the stock server returns its text, so it is not caught
     */
    public static LwM2mNode read(JsonNode json) {
        String kind = json.get("kind").asText();
        return switch (kind) {
            case "obj" -> new LwM2mObject(id(json), instances(json.get("instances")));
            case "instance" -> instance(json);
            case "singleResource", "multiResource" -> resource(json, kind);
            case "resourceInstance" -> resourceInstance(json);
            default -> throw new IllegalArgumentException("Invalid kind of node: " + kind);
        };
    }

    private static LwM2mResourceInstance resourceInstance(JsonNode json) {
        Type type = type(json);
        return LwM2mResourceInstance.newInstance(id(json), ValueReader.read(json.get("value"), type), type);
    }

    private static LwM2mObjectInstance instance(JsonNode json) {
        List<LwM2mResource> resources = new ArrayList<>();
        for (JsonNode resource : json.get("resources")) {
            resources.add(resource(resource, resource.get("kind").asText()));
        }
        return json.has("id") ? new LwM2mObjectInstance(id(json), resources) : new LwM2mObjectInstance(resources);
    }

    private static List<LwM2mObjectInstance> instances(JsonNode array) {
        List<LwM2mObjectInstance> instances = new ArrayList<>();
        array.forEach(json -> instances.add(instance(json)));
        return instances;
    }

    private static LwM2mResource resource(JsonNode json, String kind) {
        Type type = type(json);
        if ("multiResource".equals(kind)) {
            return LwM2mMultipleResource.newResource(id(json), values(json.get("values"), type), type);
        }
        return LwM2mSingleResource.newResource(id(json), ValueReader.read(json.get("value"), type), type);
    }

    /** Returns the values of a multiple resource by the id of their resource instance. */
    public static Map<Integer, Object> values(JsonNode json, Type type) {
        Map<Integer, Object> values = new HashMap<>();
        json.fields().forEachRemaining(
                entry -> values.put(Integer.valueOf(entry.getKey()), ValueReader.read(entry.getValue(), type)));
        return values;
    }

    private static int id(JsonNode json) {
        return json.get("id").asInt();
    }

    private static Type type(JsonNode json) {
        return Type.valueOf(json.get("type").asText());
    }
}
