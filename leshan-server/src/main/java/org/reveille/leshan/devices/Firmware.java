package org.reveille.leshan.devices;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * Object 5, Firmware Update: takes a package URI, has "downloaded" it at once, and updates when told (LwM2M 1.1, E.6).
 * State: 0 idle, 2 downloaded. Result: 0 initial, 1 updated.
 */
final class Firmware extends Valued {
    private static final int PACKAGE = 0;
    private static final int PACKAGE_URI = 1;
    private static final int UPDATE = 2;
    private static final int STATE = 3;
    private static final int RESULT = 5;

    Firmware() {
        super(List.of(PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT, 9), Set.of(UPDATE),
                Map.of(PACKAGE_URI, "", STATE, 0L, RESULT, 0L, 9, 0L));
    }

    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        WriteResponse response = super.write(server, replace, resource, value);
        if (response.isSuccess() && !server.isSystem() && (resource == PACKAGE || resource == PACKAGE_URI)) {
            set(STATE, "".equals(value.getValue()) ? 0 : 2);
            set(RESULT, 0);
        }
        return response;
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        if (resource == UPDATE && !Long.valueOf(2).equals(resources.get(STATE).getValue())) {
            return ExecuteResponse.methodNotAllowed();
        }
        if (resource == UPDATE) {
            set(STATE, 0);
            set(RESULT, 1);
        }
        return super.execute(server, resource, arguments);
    }

    private void set(int resource, long value) {
        write(LwM2mServer.SYSTEM, true, resource, LwM2mSingleResource.newIntegerResource(resource, value));
    }
}
