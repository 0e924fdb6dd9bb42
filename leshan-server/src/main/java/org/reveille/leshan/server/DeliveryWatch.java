package org.reveille.leshan.server;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.MessageObserverAdapter;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.stack.ReliabilityLayerParameters;
import org.eclipse.leshan.server.request.LowerLayerConfig;

/**
 * Sees what becomes of one CoAP request, and may forbid that it is sent again.
 *
 * <p>Californium tells from several threads and in no strict order, and a cancelled request may still lie in its
 * connector's queue. So a request counts as sent from the moment at which it is handed to the connector, unless the
 * connector says that it could not send it and never did. The blocks of a large body tell the same observer.
 */
final class DeliveryWatch extends MessageObserverAdapter implements LowerLayerConfig {
    /** For a request that goes out once: how long after the caller's time-out CoAP would send it again, in milliseconds. */
    private static final long PAST_TIMEOUT_MS = 10_000;

    /** Californium's sentences about a body above its limit: announced so, or found so with a later block. */
    private static final Pattern TOO_LARGE = Pattern.compile("exceeds (max buffer size|the left buffer)|buffer overflow");

    private final boolean once;
    private final LongSupplier nanoTime;
    private final long timeoutMillis;
    private volatile boolean handedOver;
    /** When something was sent or received for the request, of {@code nanoTime}. */
    private volatile long lastSign;
    private volatile boolean sent;
    private volatile boolean unsendable;
    private volatile boolean answered;
    private volatile Request request;
    private final CompletableFuture<Throwable> unusable = new CompletableFuture<>();

    /**
     * @param once whether the request's datagram goes out once, without retransmissions; a body of several blocks still
     *     sends each block as often as it must
     * @param timeoutMillis how long the caller waits for the response
     */
    DeliveryWatch(boolean once, long timeoutMillis) {
        this(once, timeoutMillis, System::nanoTime);
    }

    DeliveryWatch(boolean once, long timeoutMillis, LongSupplier nanoTime) {
        this.once = once;
        this.timeoutMillis = timeoutMillis;
        this.nanoTime = nanoTime;
    }

    /**
     * Completes with Californium's reason when the device's answer cannot be put together: it exceeds the body limit, or
     * its blocks do not fit. Leshan itself waits on then until its time-out, and takes a client in queue mode as asleep.
     */
    CompletableFuture<Throwable> unusable() {
        return unusable;
    }

    /** Whether {@link #unusable()} completed because the answer exceeds the body limit. */
    static boolean isTooLarge(Throwable reason) {
        return TOO_LARGE.matcher(String.valueOf(reason.getMessage())).find();
    }

    /** Ends the wait for an answer: Leshan reports the request as cancelled, and changes no client's presence. */
    void cancel() {
        request.cancel();
    }

    Delivery delivery() {
        if (answered) {
            return Delivery.ANSWERED;
        }
        return sent || handedOver && !unsendable ? Delivery.MAY_HAVE_REACHED : Delivery.NOT_SENT;
    }

    /**
     * Whether nothing has been sent or received for the request for longer than so: the device has acknowledged it and
     * does not answer, or is not reached. False before it is sent.
     */
    boolean isSilentFor(Duration time) {
        return handedOver && nanoTime.getAsLong() - lastSign > time.toNanos();
    }

    @Override
    public void apply(Object lowerRequest) {
        request = (Request) lowerRequest;
        request.addMessageObserver(this);
        if (once) {
            request.setReliabilityLayerParameters(withoutRetransmission());
        }
    }

    @Override
    public void onReadyToSend() {
        lastSign = nanoTime.getAsLong();
        handedOver = true;
    }

    @Override
    public void onSent(boolean retransmission) {
        lastSign = nanoTime.getAsLong();
        sent = true;
    }

    @Override
    public void onAcknowledgement() {
        lastSign = nanoTime.getAsLong();
    }

    @Override
    public void onSendError(Throwable error) {
        unsendable = true;
    }

    @Override
    public void onResponse(Response response) {
        lastSign = nanoTime.getAsLong();
        // The answer to a block that is not the last one says nothing of the request itself.
        answered |= response.getCode() != ResponseCode.CONTINUE;
    }

    @Override
    public void onResponseHandlingError(Throwable error) {
        answered |= isTooLarge(error);
        unusable.complete(error);
    }

    /**
     * Californium allows no fewer than one retransmission, so that is moved behind the caller's time-out, at which the
     * request is cancelled. A single transmission would be given up after 2 s besides.
     */
    private ReliabilityLayerParameters withoutRetransmission() {
        int patience = (int) Math.min(timeoutMillis + PAST_TIMEOUT_MS, Integer.MAX_VALUE);
        return ReliabilityLayerParameters.builder().ackTimeout(patience).maxAckTimeout(patience)
                .ackRandomFactor(1).ackTimeoutScale(1).maxRetransmit(1).nstart(1).build();
    }
}
