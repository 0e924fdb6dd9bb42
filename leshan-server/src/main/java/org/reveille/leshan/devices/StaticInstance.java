package org.reveille.leshan.devices;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;

/** An object instance that stores values, has the resources with which it was created, and executes without any effect. */
class StaticInstance extends SimpleInstanceEnabler {
    private final List<Integer> resourceIds;
    private final Set<Integer> executables;

    /**
     * Creates an instance.
     *
     * @param resourceIds the resources that it reports, in this order
     */
    StaticInstance(List<Integer> resourceIds, Set<Integer> executables, Map<Integer, Object> values) {
        super(0, values);
        this.resourceIds = resourceIds;
        this.executables = executables;
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        return executables.contains(resource) ? ExecuteResponse.success() : ExecuteResponse.notFound();
    }

    @Override
    public List<Integer> getAvailableResourceIds(ObjectModel model) {
        return resourceIds;
    }
}
