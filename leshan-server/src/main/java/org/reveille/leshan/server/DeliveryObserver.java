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
 * Observes the delivery of one CoAP request, and may disable its retransmission.
 *
 * <p>Californium calls observers from several threads and in no strict order, and a canceled request may still be in
 * its connector's queue. So a request counts as sent from the moment at which it is handed to the connector, unless the
 * connector reports that it could not send it and never reports that it did. The blocks of a large body notify the same
 * observer.
 */
final class DeliveryObserver extends MessageObserverAdapter implements LowerLayerConfig {
    /** Delay in milliseconds from the caller's timeout to a retransmission by CoAP, for a request that is sent only once. */
    private static final long PAST_TIMEOUT_MS = 10_000;

    /** Californium's messages about a body above its limit: announced as too large, or found too large with a later block. */
    private static final Pattern TOO_LARGE = Pattern.compile("exceeds (max buffer size|the left buffer)|buffer overflow");

    private final boolean once;
    private final LongSupplier nanoTime;
    private final long timeoutMillis;
    private volatile boolean handedOver;
    /** Time of the last message that was sent or received for the request, as of {@code nanoTime}. */
    private volatile long lastSign;
    private volatile boolean sent;
    private volatile boolean unsendable;
    private volatile boolean answered;
    private volatile Request request;
    private final CompletableFuture<Throwable> unusable = new CompletableFuture<>();

    /**
     * Creates an observer.
     *
     * @param once whether the request's datagram is sent once, without retransmissions; a body of several blocks still
     *     sends each block as often as necessary
     * @param timeoutMillis how long the caller waits for the response
     */
    DeliveryObserver(boolean once, long timeoutMillis) {
        this(once, timeoutMillis, System::nanoTime);
    }

    DeliveryObserver(boolean once, long timeoutMillis, LongSupplier nanoTime) {
        this.once = once;
        this.timeoutMillis = timeoutMillis;
        this.nanoTime = nanoTime;
    }

    /**
     * Returns a future that completes with Californium's reason if the device's response cannot be assembled: it
     * exceeds the body limit, or its blocks do not fit. Leshan itself waits until its timeout in this case, and then
     * considers a client in queue mode as asleep.
     */
    CompletableFuture<Throwable> unusable() {
        return unusable;
    }

    /** Returns whether {@link #unusable()} completed because the response exceeds the body limit. */
    static boolean isTooLarge(Throwable reason) {
        return TOO_LARGE.matcher(String.valueOf(reason.getMessage())).find();
    }

    /** Stops waiting for a response: Leshan reports the request as canceled, and changes no client's presence. */
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
     * Returns whether nothing has been sent or received for the request for longer than the given time: the device has
     * acknowledged it and does not answer, or is unreachable. False before the request is sent.
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
        // The response to a block that is not the last one is not a response to the request itself.
        answered |= response.getCode() != ResponseCode.CONTINUE;
    }

    @Override
    public void onResponseHandlingError(Throwable error) {
        answered |= isTooLarge(error);
        unusable.complete(error);
    }

    /**
     * Returns parameters without a retransmission. Californium requires at least one retransmission, so it is moved
     * behind the caller's timeout, at which the request is canceled. A single transmission would also be given up after
     * 2 s.
     */
    private ReliabilityLayerParameters withoutRetransmission() {
        int patience = (int) Math.min(timeoutMillis + PAST_TIMEOUT_MS, Integer.MAX_VALUE);
        return ReliabilityLayerParameters.builder().ackTimeout(patience).maxAckTimeout(patience)
                .ackRandomFactor(1).ackTimeoutScale(1).maxRetransmit(1).nstart(1).build();
    }
}
