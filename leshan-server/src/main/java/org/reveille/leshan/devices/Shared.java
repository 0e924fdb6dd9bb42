package org.reveille.leshan.devices;

import org.eclipse.californium.elements.util.ExecutorsUtil;
import org.eclipse.californium.elements.util.NamedThreadFactory;
import org.eclipse.californium.elements.util.ProtocolScheduledExecutorService;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.reveille.leshan.Models;

/**
 * Resources that all devices of the process share.
 *
 * @param protocol runs every device's CoAP stack, notifications and delayed responses; nothing may block in it
 * @param air reads the sockets of their radios
 * @param maxBody bytes, the largest value that a device accepts
 */
record Shared(ProtocolScheduledExecutorService protocol, LwM2mModel model, Air air, int maxBody) {
    private static final int THREADS = 4;

    static Shared create(int maxBody) {
        return new Shared(
                ExecutorsUtil.newProtocolScheduledThreadPool(THREADS, new NamedThreadFactory("devices#")),
                new StaticModel(Models.newest()),
                Air.open(),
                maxBody);
    }

    void close() {
        protocol.shutdownNow();
        air.close();
    }
}
