package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collection;
import java.util.Map;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mRoot;

/** Writes LwM2M nodes as JSON, keys in the order in which the stock server 2.0.0-M18 writes them (its recorded answers). */
public final class NodeWriter {
    private NodeWriter() {
    }

    /** Returns the JSON of any node; JSON null for a missing node. */
    public static JsonNode write(LwM2mNode node) {
        if (node == null) {
            return NullNode.getInstance();
        }
        if (node instanceof LwM2mRoot root) {
            ObjectNode json = Json.object().put("kind", "root");
            json.set("objects", all(root.getObjects().values()));
            return json;
        }
        if (node instanceof LwM2mObject object) {
            ObjectNode json = Json.object();
            json.set("instances", all(object.getInstances().values()));
            return json.put("kind", "obj").put("id", object.getId());
        }
        if (node instanceof LwM2mObjectInstance instance) {
            ObjectNode json = Json.object().put("kind", "instance");
            json.set("resources", all(instance.getResources().values()));
            return json.put("id", instance.getId());
        }
        if (node instanceof LwM2mResource resource) {
            return resource.isMultiInstances() ? multiple(resource) : single(resource);
        }
        return resourceInstance((LwM2mResourceInstance) node);
    }

    /** Returns the nodes of a composite response or notification or of a Send, by their path; missing ones are omitted. */
    public static JsonNode write(Map<LwM2mPath, ? extends LwM2mNode> nodes) {
        ObjectNode json = Json.object();
        nodes.forEach((path, node) -> {
            if (node != null) {
                json.set(path.toString(), write(node));
            }
        });
        return json;
    }

    private static JsonNode single(LwM2mResource resource) {
        ObjectNode json = Json.object().put("kind", "singleResource").put("id", resource.getId());
        json.put("type", resource.getType().name());
        json.set("value", ValueWriter.write(resource.getValue(), resource.getType()));
        return json;
    }

    private static JsonNode multiple(LwM2mResource resource) {
        ObjectNode values = Json.object();
        resource.getInstances().forEach((id, instance) ->
                values.set(String.valueOf(id), ValueWriter.write(instance.getValue(), instance.getType())));
        ObjectNode json = Json.object().put("kind", "multiResource");
        json.set("values", values);
        return json.put("id", resource.getId()).put("type", resource.getType().name());
    }

    private static JsonNode resourceInstance(LwM2mResourceInstance instance) {
        ObjectNode json = Json.object().put("kind", "resourceInstance").put("id", instance.getId());
        json.put("type", instance.getType().name());
        json.set("value", ValueWriter.write(instance.getValue(), instance.getType()));
        return json;
    }

    private static ArrayNode all(Collection<? extends LwM2mNode> nodes) {
        ArrayNode array = Json.object().arrayNode();
        nodes.forEach(node -> array.add(write(node)));
        return array;
    }
}
