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
 * What stands between a device's CoAP stack and the network: the device's radio. While it is off, datagrams which carry
 * a request are dropped (or held back, as a network operator's buffers do) before anything could answer them. Answers
 * and acknowledgements to what the device itself sends always pass: a device which speaks listens.
 *
 * <p>It also drops or delays single answers. Both are done on datagrams, so that the CoAP stack behind believes to have
 * answered and treats the server's retransmissions as the duplicates which they are.
 */
final class AirGate {
    /** Whether the device hears requests. */
    enum Hearing {
        ON,
        /** Requests are lost. */
        OFF,
        /** Requests wait and arrive, in order, when the device hears again. */
        HELD
    }

    /** Answers under one token: not before {@code notBefore} (nanoseconds of the JVM's clock); never when null. */
    private static final class Late {
        private final Long notBefore;
        private final long forgetAt;
        private boolean scheduled;

        Late(Long delayMillis) {
            long now = System.nanoTime();
            notBefore = delayMillis == null ? null : now + TimeUnit.MILLISECONDS.toNanos(delayMillis);
            // A server retransmits for at most 93 s (RFC 7252, MAX_TRANSMIT_WAIT); later a token may be used anew.
            forgetAt = now + TimeUnit.SECONDS.toNanos(120);
        }
    }

    private final ScheduledExecutorService timer;
    private final Map<Token, Late> late = new ConcurrentHashMap<>();
    private final AtomicLong requests = new AtomicLong();
    private final AtomicLong dropped = new AtomicLong();
    private final List<Runnable> held = new ArrayList<>();
    private Hearing hearing = Hearing.ON;

    AirGate(ScheduledExecutorService timer) {
        this.timer = timer;
    }

    /** Datagrams with a request that came in, retransmissions included, heard or not. */
    long requests() {
        return requests.get();
    }

    /** Datagrams with a request that were lost because the device slept. */
    long dropped() {
        return dropped.get();
    }

    void resetCounts() {
        requests.set(0);
        dropped.set(0);
    }

    synchronized Hearing hearing() {
        return hearing;
    }

    /** Turns hearing on or off; turning it on delivers what was held. */
    void hear(Hearing wanted) {
        List<Runnable> waiting = List.of();
        synchronized (this) {
            hearing = wanted;
            if (wanted == Hearing.ON) {
                waiting = List.copyOf(held);
                held.clear();
            }
        }
        waiting.forEach(Runnable::run);
    }

    /** The answer under this token never leaves. */
    void mute(Token token) {
        late.put(token, new Late(null));
    }

    /** The answer under this token leaves {@code millis} from now at the earliest. */
    void delay(Token token, long millis) {
        late.put(token, new Late(millis));
    }

    /** After a reboot nothing is known of earlier requests: what answers them again is a new CoAP stack. */
    void forgetAnswers() {
        late.clear();
    }

    /** A UDP socket behind this gate. */
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

    /** A DTLS connection behind this gate, which sees what is inside of its records. */
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
        switch (hearing) {
            case OFF -> dropped.incrementAndGet();
            case HELD -> held.add(delivery);
            default -> {
                return true;
            }
        }
        return false;
    }

    private void leaving(RawData data, Runnable send) {
        Late entry = late.isEmpty() ? null : late.get(token(data.getBytes()));
        if (entry == null || isRequest(data.getBytes())) {
            send.run();
            return;
        }
        synchronized (entry) {
            long now = System.nanoTime();
            if (now > entry.forgetAt) {
                late.values().remove(entry);
                send.run();
            } else if (entry.notBefore != null && now >= entry.notBefore) {
                send.run();
            } else if (entry.notBefore != null && !entry.scheduled) {
                entry.scheduled = true;
                timer.schedule(send, entry.notBefore - now, TimeUnit.NANOSECONDS);
            }
        }
    }

    /** RFC 7252, section 3: the second byte is the code, class 0 and detail 1 to 31 are methods. */
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
