package org.reveille.leshan.devices;

import java.util.Optional;
import java.util.function.Consumer;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Token;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.SendableResponse;

/** A receiver in front of a client's objects: it records every request and applies the device's behavior. */
final class BehaviorReceiver implements DownlinkRequestReceiver {
    private final DownlinkRequestReceiver objects;
    private final ReceivedRequests received;
    private final Behaviors behaviors;
    private final DatagramGate gate;
    private final Consumer<Behavior> reboots;

    /**
     * Creates a receiver.
     *
     * @param reboots receives a behavior that makes the device reboot, before it is applied
     */
    BehaviorReceiver(DownlinkRequestReceiver objects, ReceivedRequests received, Behaviors behaviors, DatagramGate gate,
            Consumer<Behavior> reboots) {
        this.objects = objects;
        this.received = received;
        this.behaviors = behaviors;
        this.gate = gate;
        this.reboots = reboots;
    }

    @Override
    public <T extends LwM2mResponse> SendableResponse<T> requestReceived(
            LwM2mServer server, DownlinkRequest<T> request) {
        received.add(request);
        Request coapRequest = (Request) request.getCoapRequest();
        Optional<Behavior> found = behaviors.take(RequestWriter.path(request), coapRequest);
        if (found.isEmpty()) {
            return objects.requestReceived(server, request);
        }
        Behavior behavior = found.get();
        time(behavior, coapRequest.getToken());
        if (behavior.reboot() != null) {
            reboots.accept(behavior);
        }
        if (behavior.isCarriedOut()) {
            return objects.requestReceived(server, request);
        }
        return behavior.refusal() == null
                ? ErrorResponse.of(request, ResponseCode.INTERNAL_SERVER_ERROR, "never leaves the device")
                : ErrorResponse.of(request, behavior.refusal(), behavior.text());
    }

    @Override
    public void onError(LwM2mServer server, Exception error,
            Class<? extends DownlinkRequest<? extends LwM2mResponse>> requestType) {
        objects.onError(server, error, requestType);
    }

    private void time(Behavior behavior, Token token) {
        if (!behavior.isAnswered()) {
            gate.mute(token);
        } else if (behavior.delayMillis() > 0) {
            gate.delay(token, behavior.delayMillis());
        }
    }
}
