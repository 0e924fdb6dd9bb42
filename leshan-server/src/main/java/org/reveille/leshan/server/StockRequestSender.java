package org.reveille.leshan.server;

import java.util.concurrent.CompletableFuture;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.json.ResponseWriter;

/** Sends a request immediately, or stores it for the next wake if the client is in queue mode and asleep. */
final class StockRequestSender implements RequestSender {
    private final LeshanServer server;
    private final DelayedRequests delayed;

    StockRequestSender(LeshanServer server, DelayedRequests delayed) {
        this.server = server;
        this.delayed = delayed;
    }

    @Override
    public <T extends LwM2mResponse> CompletableFuture<HttpAnswer> send(
            Registration client, DownlinkDeviceManagementRequest<T> request, String path, HttpCall call) {
        CompletableFuture<HttpAnswer> answer = new CompletableFuture<>();
        try {
            server.send(client, request, call.timeoutMillis(),
                    response -> answer.complete(HttpAnswer.json(ResponseWriter.write(response))),
                    error -> answer.complete(Failures.answer(error)));
        } catch (ClientSleepingException asleep) {
            answer.complete(HttpAnswer.json(delayed.store(client, request, path, call.timeoutMillis())));
        } catch (RuntimeException unsendable) {
            answer.complete(Failures.answer(unsendable));
        }
        return answer;
    }
}
