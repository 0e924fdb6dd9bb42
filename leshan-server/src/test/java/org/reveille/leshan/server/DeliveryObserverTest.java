package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.junit.jupiter.api.Test;

/** Tests an observer that its request notifies as Californium's layers do. */
class DeliveryObserverTest {
    private final DeliveryObserver observer = new DeliveryObserver(false, 5_000);
    private final Request request = Request.newGet();

    DeliveryObserverTest() {
        observer.apply(request);
    }

    @Test
    void beforeItIsHandedOverNothingIsSent() {
        request.cancel();
        assertEquals(Delivery.NOT_SENT, observer.delivery());
    }

    @Test
    void aRequestThatWasHandedOverMayBeSentAtAnyTime() {
        request.setReadyToSend();
        request.cancel();
        assertEquals(Delivery.MAY_HAVE_REACHED, observer.delivery());
    }

    @Test
    void aRequestThatTheConnectorCouldNotSendWasNotSent() {
        request.setReadyToSend();
        request.setSendError(new IOException("no way"));
        assertEquals(Delivery.NOT_SENT, observer.delivery());
    }

    @Test
    void aRetransmissionThatFailsUndoesNothing() {
        request.setReadyToSend();
        request.setSent(true);
        request.setReadyToSend();
        request.setSendError(new IOException("no way"));
        assertEquals(Delivery.MAY_HAVE_REACHED, observer.delivery());
    }

    @Test
    void anAnswerIsOneOfTheRequestNotOfItsFirstBlocks() {
        request.setReadyToSend();
        request.setSent(true);
        request.setResponse(new Response(ResponseCode.CONTINUE));
        assertEquals(Delivery.MAY_HAVE_REACHED, observer.delivery());
        request.setResponse(new Response(ResponseCode.CHANGED));
        assertEquals(Delivery.ANSWERED, observer.delivery());
    }

    @Test
    void anAnswerAboveTheBodyLimitIsAnAnswer() {
        request.setReadyToSend();
        request.setSent(true);
        request.setOnResponseError(new IllegalStateException(
                "requested resource body [140000 bytes] exceeds max buffer size [131072 bytes], aborting request"));
        assertTrue(DeliveryObserver.isTooLarge(observer.unusable().join()));
        assertEquals(Delivery.ANSWERED, observer.delivery());
        observer.cancel();
        assertTrue(request.isCanceled());
    }

    @Test
    void aResponseWithInvalidBlocksDoesNotCountAsAnAnswer() {
        request.setReadyToSend();
        request.setSent(true);
        request.setOnResponseError(new IllegalStateException("response does not contain expected ETag"));
        assertFalse(DeliveryObserver.isTooLarge(observer.unusable().join()));
        assertEquals(Delivery.MAY_HAVE_REACHED, observer.delivery());
    }

    @Test
    void aRequestIsSilentWhenNothingWasSentOrReceivedForSoLong() {
        AtomicLong now = new AtomicLong();
        Duration busy = Duration.ofSeconds(93);
        Request slow = Request.newPut();
        slow.setConfirmable(true);
        DeliveryObserver silent = new DeliveryObserver(false, 3_600_000, () -> now.get() * 1_000_000_000);
        silent.apply(slow);
        now.addAndGet(1_000);
        assertFalse(silent.isSilentFor(busy), "it has not been sent");
        List<Runnable> signs = List.of(slow::setReadyToSend, () -> slow.setSent(true), slow::acknowledge,
                () -> slow.setResponse(new Response(ResponseCode.CONTINUE)));
        for (Runnable sign : signs) {
            sign.run();
            now.addAndGet(93);
            assertFalse(silent.isSilentFor(busy));
            now.addAndGet(1);
            assertTrue(silent.isSilentFor(busy));
        }
    }

    @Test
    void onlyARequestWithoutRetransmissionHasItsOwnTimes() {
        assertNull(request.getReliabilityLayerParameters());
        Request once = Request.newPost();
        new DeliveryObserver(true, 5_000).apply(once);
        assertTrue(once.getReliabilityLayerParameters().getAckTimeout() > 5_000);
        new DeliveryObserver(true, Long.MAX_VALUE / 2).apply(once);
        assertEquals(Integer.MAX_VALUE, once.getReliabilityLayerParameters().getAckTimeout());
    }
}
