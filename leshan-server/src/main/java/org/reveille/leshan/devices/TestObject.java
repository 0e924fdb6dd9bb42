package org.reveille.leshan.devices;

import java.util.List;
import java.util.Map;
import org.eclipse.leshan.client.object.LwM2mTestObject;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.response.WriteResponse;

/** Object 3442 of the client library, with every value type, single and multiple. */
final class TestObject extends LwM2mTestObject {
    /** Writes a resource. The library's write fails on a missing multiple resource (after an instance was replaced). */
    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        ensureMultiple(getModel(), resources, resource);
        return super.write(server, replace, resource, value);
    }

    /** Adds a missing multiple resource without instances. */
    static void ensureMultiple(ObjectModel object, Map<Integer, LwM2mResource> resources, int resource) {
        ResourceModel model = object.resources.get(resource);
        if (model != null && model.multiple) {
            resources.putIfAbsent(resource, new LwM2mMultipleResource(resource, model.type, List.of()));
        }
    }
}
