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
final class ToldReceiver implements DownlinkRequestReceiver {
    private final DownlinkRequestReceiver objects;
    private final Received received;
    private final Behaviours behaviours;
    private final AirGate gate;
    private final Consumer<Behaviour> reboots;

    /**
     * Creates a receiver.
     *
     * @param reboots receives a behavior that makes the device reboot, before it is applied
     */
    ToldReceiver(DownlinkRequestReceiver objects, Received received, Behaviours behaviours, AirGate gate,
            Consumer<Behaviour> reboots) {
        this.objects = objects;
        this.received = received;
        this.behaviours = behaviours;
        this.gate = gate;
        this.reboots = reboots;
    }

    @Override
    public <T extends LwM2mResponse> SendableResponse<T> requestReceived(
            LwM2mServer server, DownlinkRequest<T> request) {
        received.add(request);
        Request coapRequest = (Request) request.getCoapRequest();
        Optional<Behaviour> told = behaviours.take(RequestText.path(request), coapRequest);
        if (told.isEmpty()) {
            return objects.requestReceived(server, request);
        }
        Behaviour behaviour = told.get();
        time(behaviour, coapRequest.getToken());
        if (behaviour.reboot() != null) {
            reboots.accept(behaviour);
        }
        if (behaviour.isCarriedOut()) {
            return objects.requestReceived(server, request);
        }
        return behaviour.refusal() == null
                ? Refusal.of(request, ResponseCode.INTERNAL_SERVER_ERROR, "never leaves the device")
                : Refusal.of(request, behaviour.refusal(), behaviour.text());
    }

    @Override
    public void onError(LwM2mServer server, Exception error,
            Class<? extends DownlinkRequest<? extends LwM2mResponse>> requestType) {
        objects.onError(server, error, requestType);
    }

    private void time(Behaviour behaviour, Token token) {
        if (!behaviour.isAnswered()) {
            gate.mute(token);
        } else if (behaviour.delayMillis() > 0) {
            gate.delay(token, behaviour.delayMillis());
        }
    }
}
