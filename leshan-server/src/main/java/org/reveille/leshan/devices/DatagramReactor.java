package org.reveille.leshan.devices;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.DatagramChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The thread that reads the sockets of all radios. */
final class DatagramReactor implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DatagramReactor.class);
    private static final int LARGEST_DATAGRAM = 65_535;

    /** Receives datagrams; runs in the only thread and must not block. */
    interface Listener {
        void received(SocketAddress from, byte[] datagram);
    }

    private final Selector selector;

    private DatagramReactor(Selector selector) {
        this.selector = selector;
    }

    static DatagramReactor open() {
        try {
            DatagramReactor reactor = new DatagramReactor(Selector.open());
            Thread thread = new Thread(reactor::run, "radio sockets");
            thread.setDaemon(true);
            thread.start();
            return reactor;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Returns a UDP socket on a free port. A connected one receives datagrams of its peer only. */
    DatagramChannel socket(InetSocketAddress bound, InetSocketAddress peer, Listener listener) {
        try {
            DatagramChannel channel = DatagramChannel.open();
            channel.configureBlocking(false);
            channel.bind(bound);
            if (peer != null) {
                channel.connect(peer);
            }
            channel.register(selector, SelectionKey.OP_READ, listener);
            selector.wakeup();
            return channel;
        } catch (IOException e) {
            throw new UncheckedIOException("the socket of a radio cannot be opened", e);
        }
    }

    @Override
    public void close() {
        try {
            selector.close();
        } catch (IOException e) {
            LOG.debug("the sockets cannot be closed", e);
        }
    }

    private void run() {
        ByteBuffer buffer = ByteBuffer.allocate(LARGEST_DATAGRAM);
        try {
            while (selector.isOpen()) {
                selector.select(key -> read(key, buffer));
            }
        } catch (ClosedSelectorException | IOException end) {
            LOG.debug("the sockets are closed", end);
        }
    }

    private static void read(SelectionKey key, ByteBuffer buffer) {
        try {
            buffer.clear();
            SocketAddress from = ((DatagramChannel) key.channel()).receive(buffer);
            if (from != null) {
                byte[] datagram = new byte[buffer.flip().remaining()];
                buffer.get(datagram);
                ((Listener) key.attachment()).received(from, datagram);
            }
        } catch (IOException | RuntimeException e) {
            // The port is closed (ICMP), or the socket was closed: for a sender the datagram is lost like any other.
            LOG.debug("a datagram was lost", e);
        }
    }
}
