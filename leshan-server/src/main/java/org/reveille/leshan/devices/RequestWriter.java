package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.CompositeDownlinkRequest;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.SimpleDownlinkRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeWriter;

/** Writes a request as an entry of the list of a device's received requests: method, path, value. */
final class RequestWriter {
    private RequestWriter() {
    }

    static ObjectNode write(DownlinkRequest<?> request) {
        ObjectNode json = Json.object().put("method", method(request)).put("path", path(request).toString());
        if (request instanceof WriteRequest write) {
            json.put("replace", write.isReplaceRequest());
            putNode(json, NodeWriter.write(write.getNode()));
        } else if (request instanceof ExecuteRequest execute) {
            json.put("value", execute.getArguments() == null ? "" : execute.getArguments().serialize());
        } else if (request instanceof CreateRequest create) {
            json.put("value", createdText(create));
        } else if (request instanceof WriteAttributesRequest attributes) {
            json.put("value", String.join("&", attributes.getAttributes().toQueryParams()));
        } else if (request instanceof WriteCompositeRequest composite) {
            json.put("value", Json.write(NodeWriter.write(composite.getNodes())));
        } else if (request instanceof CompositeDownlinkRequest<?> composite) {
            json.put("value", texts(composite.getPaths()));
        }
        return json;
    }

    /** Returns the path under which a request is counted and looked up; composite requests have the root. */
    static LwM2mPath path(DownlinkRequest<?> request) {
        return request instanceof SimpleDownlinkRequest<?> simple ? simple.getPath() : LwM2mPath.ROOTPATH;
    }

    /** Returns the class's name in LwM2M's form: WriteCompositeRequest is WRITE_COMPOSITE. */
    private static String method(DownlinkRequest<?> request) {
        String name = request.getClass().getSimpleName().replaceAll("Request$", "");
        return name.replaceAll("(?<=[a-z])(?=[A-Z])", "_").toUpperCase(Locale.ROOT);
    }

    private static void putNode(ObjectNode json, JsonNode node) {
        JsonNode value = node.get("value");
        json.put("value", value == null ? Json.write(node) : value.isValueNode() ? value.asText() : Json.write(value));
        json.set("node", node);
    }

    private static String createdText(CreateRequest create) {
        var array = Json.object().arrayNode();
        if (create.unknownObjectInstanceId()) {
            create.getResources().forEach(resource -> array.add(NodeWriter.write(resource)));
        } else {
            create.getObjectInstances().forEach(instance -> array.add(NodeWriter.write(instance)));
        }
        return Json.write(array);
    }

    private static String texts(List<LwM2mPath> paths) {
        return String.join(",", paths.stream().map(LwM2mPath::toString).toList());
    }
}
