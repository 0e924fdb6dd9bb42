package org.reveille.leshan.devices;

import java.util.Optional;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Token;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.SendableResponse;

/** Stands before a client's objects: notes every request and treats it as the device was told. */
final class ToldReceiver implements DownlinkRequestReceiver {
    private final DownlinkRequestReceiver objects;
    private final Received received;
    private final Behaviours behaviours;
    private final AirGate gate;

    ToldReceiver(DownlinkRequestReceiver objects, Received received, Behaviours behaviours, AirGate gate) {
        this.objects = objects;
        this.received = received;
        this.behaviours = behaviours;
        this.gate = gate;
    }

    @Override
    public <T extends LwM2mResponse> SendableResponse<T> requestReceived(
            LwM2mServer server, DownlinkRequest<T> request) {
        received.add(request);
        Optional<Behaviour> told = behaviours.take(RequestText.path(request));
        if (told.isEmpty()) {
            return objects.requestReceived(server, request);
        }
        Behaviour behaviour = told.get();
        time(behaviour, ((Request) request.getCoapRequest()).getToken());
        if (behaviour.ignored()) {
            return Refusal.of(request, ResponseCode.INTERNAL_SERVER_ERROR, "never leaves the device");
        }
        return behaviour.refusal() == null
                ? objects.requestReceived(server, request)
                : Refusal.of(request, behaviour.refusal(), behaviour.text());
    }

    @Override
    public void onError(LwM2mServer server, Exception error,
            Class<? extends DownlinkRequest<? extends LwM2mResponse>> requestType) {
        objects.onError(server, error, requestType);
    }

    private void time(Behaviour behaviour, Token token) {
        if (behaviour.silent() || behaviour.ignored()) {
            gate.mute(token);
        } else if (behaviour.delayMillis() > 0) {
            gate.delay(token, behaviour.delayMillis());
        }
    }
}
