package org.reveille.leshan.server;

import java.util.concurrent.CompletableFuture;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.registration.Registration;

/** Sends requests to devices. No thread waits for a device: the response completes a future. */
interface RequestSender {
    /**
     * Sends a request, or refuses it.
     *
     * @param path the name of the request's target in events and request entries
     * @return never completes exceptionally: an error is an answer too
     */
    <T extends LwM2mResponse> CompletableFuture<HttpAnswer> send(
            Registration client, DownlinkDeviceManagementRequest<T> request, String path, HttpCall call);
}
