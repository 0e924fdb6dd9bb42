package org.reveille.leshan.devices;

import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/** An instance of any registry object: it has all resources, stores written values, and executes without effect. */
final class RegistryObject extends SimpleInstanceEnabler {
    /** Writes a resource. See {@link TestObject}: write-only resources do not exist at first either. */
    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        TestObject.ensureMultiple(getModel(), resources, resource);
        return super.write(server, replace, resource, value);
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        return ExecuteResponse.success();
    }
}
