package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.util.concurrent.ScheduledExecutorService;
import org.eclipse.californium.core.coap.CoAP;
import org.reveille.leshan.json.Json;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Simulates the network between a device and its server: a UDP relay that is transparent for CoAP (and DTLS) on both
 * sides. The device uses {@link #uri} as its server; the server sees the relay's outer port. As both retransmissions
 * and duplicates pass through it, all effects of a bad network on CoAP apply to them.
 */
final class Radio implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Radio.class);

    private final DatagramReactor sockets;
    private final URI server;
    private final InetSocketAddress serverAddress;
    private final RadioPath up;
    private final RadioPath down;
    private final DatagramChannel inner;
    private DatagramChannel outer;
    private volatile SocketAddress device;

    /**
     * Creates a relay.
     *
     * @param server the LwM2M server's URI
     */
    Radio(DatagramReactor sockets, ScheduledExecutorService timer, URI server) {
        this.sockets = sockets;
        this.server = server;
        this.serverAddress = new InetSocketAddress(server.getHost(), port(server));
        this.up = new RadioPath(timer);
        this.down = new RadioPath(timer);
        this.inner = sockets.socket(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), null, this::fromDevice);
        this.outer = open();
    }

    /** Returns the server's URI for the device: the relay's inner address with the server's scheme. */
    URI uri() {
        return URI.create(server.getScheme() + "://127.0.0.1:" + inner.socket().getLocalPort());
    }

    /** Returns the source port that the server sees. */
    synchronized int outerPort() {
        return outer.socket().getLocalPort();
    }

    /** Changes the source port, as when a NAT lost its binding. The device does not notice; the old port is closed. */
    synchronized void rebind() {
        DatagramChannel old = outer;
        outer = open();
        close(old);
    }

    /** Sets the fields of the JSON and leaves the others unchanged: first both directions, then `up` and `down` separately. */
    void set(JsonNode json) {
        up.conditions(up.conditions().with(json).with(json.path("up")));
        down.conditions(down.conditions().with(json).with(json.path("down")));
        if (json.hasNonNull("seed")) {
            up.seed(json.get("seed").asLong());
            down.seed(~json.get("seed").asLong());
        }
        if (json.hasNonNull("hold")) {
            down.hold(json.get("hold").asBoolean());
        }
    }

    /** Delivers the datagrams that wait for the device, in order, and stops holding. */
    void release() {
        down.hold(false);
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("port", outerPort());
        json.set("up", up.write());
        json.set("down", down.write());
        return json;
    }

    @Override
    public synchronized void close() {
        close(inner);
        close(outer);
    }

    private DatagramChannel open() {
        return sockets.socket(null, serverAddress, (from, datagram) -> down.pass(() -> toDevice(datagram)));
    }

    private void fromDevice(SocketAddress from, byte[] datagram) {
        device = from;
        up.pass(() -> toServer(datagram));
    }

    private synchronized void toServer(byte[] datagram) {
        send(() -> outer.write(ByteBuffer.wrap(datagram)));
    }

    private void toDevice(byte[] datagram) {
        SocketAddress to = device;
        if (to != null) {
            send(() -> inner.send(ByteBuffer.wrap(datagram), to));
        }
    }

    /** A write to a socket. */
    private interface Write {
        int run() throws IOException;
    }

    private static void send(Write write) {
        try {
            write.run();
        } catch (IOException e) {
            LOG.debug("a datagram was lost", e);
        }
    }

    private static void close(DatagramChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int port(URI uri) {
        return uri.getPort() > 0 ? uri.getPort() : CoAP.getDefaultPort(uri.getScheme());
    }
}
