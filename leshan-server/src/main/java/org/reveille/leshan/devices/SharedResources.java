package org.reveille.leshan.devices;

import org.eclipse.californium.elements.util.ExecutorsUtil;
import org.eclipse.californium.elements.util.NamedThreadFactory;
import org.eclipse.californium.elements.util.ProtocolScheduledExecutorService;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.reveille.leshan.ObjectModels;

/**
 * Resources that all devices of the process share.
 *
 * @param protocol runs every device's CoAP stack, notifications and delayed responses; nothing may block in it
 * @param sockets reads the sockets of their radios
 * @param maxBody bytes, the largest value that a device accepts
 */
record SharedResources(
        ProtocolScheduledExecutorService protocol, LwM2mModel model, DatagramReactor sockets, int maxBody) {
    private static final int THREADS = 4;

    static SharedResources create(int maxBody) {
        return new SharedResources(
                ExecutorsUtil.newProtocolScheduledThreadPool(THREADS, new NamedThreadFactory("devices#")),
                ObjectModels.newest(),
                DatagramReactor.open(),
                maxBody);
    }

    void close() {
        protocol.shutdownNow();
        sockets.close();
    }
}
