package org.reveille.leshan.server;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.eclipse.leshan.core.request.DownlinkDeviceManagementRequest;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.events.Contacts;
import org.reveille.leshan.json.ResponseWriter;
import org.reveille.leshan.server.Failure.Code;

/** Sends a request immediately or not at all: one per registration at a time, none to a sleeping client, each id once. */
final class ProductionRequestSender implements RequestSender {
    /** CoAP has given up by this time after the request's timeout (EXCHANGE_LIFETIME is 247 s). */
    private static final long LOST_AFTER_MS = TimeUnit.SECONDS.toMillis(250);
    private static final String SLEEPING = "The destination client is sleeping, request cannot be sent.";

    private final LeshanServer server;
    private final OpenCalls calls;
    private final Duration busy;
    private final SleepTimes sleeping;
    private final RequestLog log;
    private final Contacts contacts;
    private final Executor workers;

    /**
     * Creates a sender.
     *
     * @param busy how long a sent call prevents other calls to its client after the last datagram of either side; after
     *     that the call still waits for its response
     * @param workers few threads, for tasks that must not run on the store's own thread, which has other writes to do
     */
    ProductionRequestSender(LeshanServer server, OpenCalls calls, Duration busy, SleepTimes sleeping, RequestLog log,
            Contacts contacts, Executor workers) {
        this.contacts = contacts;
        this.workers = workers;
        this.server = server;
        this.calls = calls;
        this.busy = busy;
        this.sleeping = sleeping;
        this.log = log;
    }

    @Override
    public <T extends LwM2mResponse> CompletableFuture<HttpAnswer> send(
            Registration client, DownlinkDeviceManagementRequest<T> request, String path, HttpCall call) {
        if (client.usesQueueMode() && !server.getPresenceService().isClientAwake(client)) {
            return CompletableFuture.completedFuture(asleep(client));
        }
        long timeoutMillis = call.timeoutMillis();
        DeliveryObserver observer = new DeliveryObserver(call.withoutRetransmission(), timeoutMillis);
        OpenCalls.Call open = new OpenCalls.Call(client.getId(), () -> observer.isSilentFor(busy));
        Failure refusal = calls.open(open);
        if (refusal != null) {
            return CompletableFuture.completedFuture(HttpAnswer.failure(refusal));
        }
        if (call.id() == null) {
            return transmit(client, request, open, observer, timeoutMillis);
        }
        RequestEntry entry = RequestEntry.running(call.id(), client.getEndpoint(), path, call.digest());
        return log.begin(entry).handleAsync((known, unwritten) -> {
            if (unwritten != null || known != null) {
                calls.done(open, () -> { });
                return CompletableFuture.completedFuture(
                        known != null ? known.answerTo(entry.digest()) : Failures.answer(unwritten));
            }
            return transmit(client, request, open, observer, timeoutMillis)
                    .thenCompose(answer -> log.end(entry, answer, observer.delivery()));
        }, workers).thenCompose(answer -> answer);
    }

    private <T extends LwM2mResponse> CompletableFuture<HttpAnswer> transmit(Registration client,
            DownlinkDeviceManagementRequest<T> request, OpenCalls.Call open, DeliveryObserver observer,
            long timeoutMillis) {
        CompletableFuture<HttpAnswer> answer = new CompletableFuture<>();
        contacts.callBegins(client);
        observer.unusable().thenAccept(reason -> {
            answer.complete(unusable(reason, observer.delivery()));
            observer.cancel();
        });
        try {
            server.send(newest(client), request, observer, timeoutMillis,
                    response -> answer.complete(HttpAnswer.json(ResponseWriter.write(response))),
                    error -> answer.complete(Failures.answer(error, observer.delivery())));
        } catch (ClientSleepingException fallenAsleep) {
            answer.complete(asleep(client));
        } catch (RuntimeException unsendable) {
            answer.complete(Failures.answer(unsendable, observer.delivery()));
        }
        HttpAnswer lost = HttpAnswer.failure(new Failure(
                Code.UNEXPECTED, "Unexpected exception: CoAP reported no result", Delivery.MAY_HAVE_REACHED, null));
        return answer.completeOnTimeout(lost, timeoutMillis + LOST_AFTER_MS, TimeUnit.MILLISECONDS)
                .whenComplete((given, never) -> calls.done(open, () -> contacts.callEnds(client)));
    }

    private static HttpAnswer unusable(Throwable reason, Delivery delivery) {
        boolean tooLarge = DeliveryObserver.isTooLarge(reason);
        String sentence = tooLarge ? "Response too large (--max-body): " : "Invalid Response: ";
        Code code = tooLarge ? Code.RESPONSE_TOO_LARGE : Code.INVALID_RESPONSE;
        return HttpAnswer.failure(new Failure(code, sentence + reason.getMessage(), delivery, null));
    }

    /** Returns the registration as of its last update: its address may have changed while the id was written to disk. */
    private Registration newest(Registration client) {
        Registration newest = server.getRegistrationService().getById(client.getId());
        return newest == null ? client : newest;
    }

    private HttpAnswer asleep(Registration client) {
        return HttpAnswer.failure(new Failure(Code.CLIENT_SLEEPING, "Invalid request: " + SLEEPING,
                Delivery.NOT_SENT, sleeping.awakeUntil(client)));
    }
}
