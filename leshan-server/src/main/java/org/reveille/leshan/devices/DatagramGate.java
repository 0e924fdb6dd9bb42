package org.reveille.leshan.devices;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.Token;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.RawDataChannel;
import org.eclipse.californium.elements.UDPConnector;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;

/**
 * Simulates a device's radio between its CoAP stack and the network. While it is off, datagrams with a request are
 * dropped (or held back, as a network operator's buffers do) before they can be answered. Responses and acknowledgments
 * to messages of the device itself always pass: a device that sends also listens.
 *
 * <p>It also drops or delays single responses. Both are done on datagrams, so that the CoAP stack behind it considers
 * the request answered and treats the server's retransmissions as the duplicates that they are.
 */
final class DatagramGate {
    /** Whether the device receives requests. */
    enum Reception {
        ON,
        /** Requests are lost. */
        OFF,
        /** Requests wait and are delivered, in order, when the device receives again. */
        HELD
    }

    /** Responses under one token: not before {@code notBefore} (nanoseconds of the JVM's clock); never if it is null. */
    private static final class ResponseRule {
        private final Long notBefore;
        private final long expiresAt;
        private boolean scheduled;

        ResponseRule(Long delayMillis) {
            long now = System.nanoTime();
            notBefore = delayMillis == null ? null : now + TimeUnit.MILLISECONDS.toNanos(delayMillis);
            // A server retransmits for at most 93 s (RFC 7252, MAX_TRANSMIT_WAIT); later a token may be reused.
            expiresAt = now + TimeUnit.SECONDS.toNanos(120);
        }
    }

    private final ScheduledExecutorService timer;
    private final Map<Token, ResponseRule> responseRules = new ConcurrentHashMap<>();
    private final AtomicLong requests = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private final List<Runnable> held = new ArrayList<>();
    private Reception reception = Reception.ON;

    DatagramGate(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    /** Returns the number of received datagrams with a request, retransmissions included, delivered or not. */
    long requests() {
        return requests.get();
    }

    /** Returns the number of datagrams with a request that were lost because the device slept. */
    long dropped() {
        return dropped.get();
    }

    void resetCounts() {
        requests.set(0);
        dropped.set(0);
    }

    synchronized Reception reception() {
        return reception;
    }

    /** Turns the reception of requests on or off; turning it on delivers held requests. */
    void setReception(Reception wanted) {
        List<Runnable> waiting = List.of();
        synchronized (this) {
            reception = wanted;
            if (wanted == Reception.ON) {
                waiting = List.copyOf(held);
                held.clear();
            }
        }
        waiting.forEach(Runnable::run);
    }

    /** Drops the response under this token. */
    void mute(Token token) {
        responseRules.put(token, new ResponseRule(null));
    }

    /** Delays the response under this token by at least {@code millis} from now. */
    void delay(Token token, long millis) {
        responseRules.put(token, new ResponseRule(millis));
    }

    /** Removes all rules for responses. After a reboot no earlier request is known: a new CoAP stack answers it again. */
    void clearResponseRules() {
        responseRules.clear();
    }

    /** Returns a UDP socket behind this gate. */
    UDPConnector connector(InetSocketAddress address, Configuration configuration) {
        return new UDPConnector(address, configuration) {
            @Override
            public void setRawDataReceiver(RawDataChannel receiver) {
                super.setRawDataReceiver(data -> arrived(data, receiver));
            }

            @Override
            public void send(RawData data) {
                leaving(data, () -> super.send(data));
            }
        };
    }

    /** Returns a DTLS connection behind this gate, which sees the content of its records. */
    DTLSConnector connector(DtlsConnectorConfig configuration) {
        return new DTLSConnector(configuration) {
            @Override
            public void setRawDataReceiver(RawDataChannel receiver) {
                super.setRawDataReceiver(data -> arrived(data, receiver));
            }

            @Override
            public void send(RawData data) {
                leaving(data, () -> super.send(data));
            }
        };
    }

    private void arrived(RawData data, RawDataChannel receiver) {
        if (isRequest(data.getBytes())) {
            requests.incrementAndGet();
            if (!passes(() -> receiver.receiveData(data))) {
                return;
            }
        }
        receiver.receiveData(data);
    }

    private synchronized boolean passes(Runnable delivery) {
        switch (reception) {
            case OFF -> dropped.incrementAndGet();
            case HELD -> held.add(delivery);
            default -> {
                return true;
            }
        }
        return false;
    }

    private void leaving(RawData data, Runnable send) {
        ResponseRule entry = responseRules.isEmpty() ? null : responseRules.get(token(data.getBytes()));
        if (entry == null || isRequest(data.getBytes())) {
            send.run();
            return;
        }
        synchronized (entry) {
            long now = System.nanoTime();
            if (now > entry.expiresAt) {
                responseRules.values().remove(entry);
                send.run();
            } else if (entry.notBefore != null && now >= entry.notBefore) {
                send.run();
            } else if (entry.notBefore != null && !entry.scheduled) {
                entry.scheduled = true;
                timer.schedule(send, entry.notBefore - now, TimeUnit.NANOSECONDS);
            }
        }
    }

    /**
     * Returns whether a datagram is a request. RFC 7252, section 3: the second byte is the code, class 0 and detail 1
     * to 31 are methods.
     */
    private static boolean isRequest(byte[] datagram) {
        return datagram.length >= 4 && CoAP.isRequest(datagram[1] & 0xff);
    }

    private static Token token(byte[] datagram) {
        int length = datagram.length < 4 ? 0 : Math.min(datagram[0] & 0x0f, datagram.length - 4);
        byte[] token = new byte[length];
        System.arraycopy(datagram, 4, token, 0, length);
        return new Token(token);
    }
}
