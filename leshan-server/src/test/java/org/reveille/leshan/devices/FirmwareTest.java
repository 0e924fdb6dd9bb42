package org.reveille.leshan.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Queue;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.peer.IpPeer;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.ObjectModels;

class FirmwareTest {
    private static final LwM2mServer SERVER = new LwM2mServer(
            new IpPeer(new InetSocketAddress("127.0.0.1", 5683)), 1L, URI.create("coap://127.0.0.1:5683"));

    private final Queue<Runnable> steps = new ArrayDeque<>();
    private final List<Flash> booted = new ArrayList<>();
    private final Firmware firmware = new Firmware(new Board());

    @BeforeEach
    void setModel() {
        ObjectModel model = ObjectModels.newest().getObjectModel(5);
        firmware.setModel(model);
    }

    @Test
    void anUpdateBootsTheNewFirmware() throws Exception {
        download("2.0.0");
        assertTrue(firmware.execute(SERVER, 2, Arguments.emptyArguments()).isSuccess());
        assertEquals(3L, state());
        steps.remove().run();
        assertEquals(List.of(new Flash("2.0.0", 1)), booted);
    }

    @Test
    void aResetStopsAnUpdateThatHasBegun() throws Exception {
        download("2.0.0");
        assertTrue(firmware.execute(SERVER, 2, Arguments.emptyArguments()).isSuccess());
        assertTrue(firmware.write(SERVER, true, 1, LwM2mSingleResource.newStringResource(1, "")).isSuccess());
        assertEquals(0L, state());
        steps.remove().run();
        assertEquals(List.of(), booted);
        assertEquals(0L, state());
    }

    private void download(String version) throws Exception {
        byte[] image = "image".getBytes(StandardCharsets.UTF_8);
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
        byte[] bytes = ("FIRMWARE " + version + " " + digest + "\nimage").getBytes(StandardCharsets.UTF_8);
        assertTrue(firmware.write(SERVER, true, 0, LwM2mSingleResource.newBinaryResource(0, bytes)).isSuccess());
        steps.remove().run();
        assertEquals(2L, state());
    }

    private Object state() {
        return ((LwM2mSingleResource) firmware.read(LwM2mServer.SYSTEM, 3).getContent()).getValue();
    }

    private final class Board implements Firmware.Board {
        @Override
        public Flash flash() {
            return Flash.FACTORY;
        }

        @Override
        public int room() {
            return 1 << 20;
        }

        @Override
        public void later(Runnable step) {
            steps.add(step);
        }

        @Override
        public void boot(Flash next) {
            booted.add(next);
        }
    }
}
