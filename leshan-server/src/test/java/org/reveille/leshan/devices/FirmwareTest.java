package org.reveille.leshan.devices;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.eclipse.leshan.client.resource.listener.ResourceListener;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.peer.IpPeer;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.json.Json;

class FirmwareTest {
    private static final LwM2mServer SERVER = new LwM2mServer(
            new IpPeer(new InetSocketAddress("127.0.0.1", 5683)), 1L, URI.create("coap://127.0.0.1:5683"));
    private static final ObjectModel MODEL = ObjectModels.newest().getObjectModel(5);

    private final Queue<Runnable> steps = new ArrayDeque<>();
    private final List<Flash> booted = new ArrayList<>();
    private Flash flash = Flash.FACTORY;
    private FirmwareRecord record = new FirmwareRecord(FirmwareBehavior.NORMAL);
    private Firmware firmware = boot();

    @Test
    void anUpdateBootsTheNewFirmware() throws Exception {
        download("2.0.0");
        assertTrue(execute(2));
        assertEquals(3L, value(3));
        steps.remove().run();
        assertEquals(List.of(new Flash("2.0.0", 0, 1, "")), booted);
        assertEquals("{\"downloads\":0,\"resumed\":0,\"pushed\":1,\"updates\":1,\"failures\":0,"
                + "\"applied\":{\"2.0.0\":1}}", Json.write(record.writeCounts()));
    }

    @Test
    void aResetIsRefusedWhileUpdating() throws Exception {
        download("2.0.0");
        assertTrue(execute(2));
        assertFalse(writeUri(""));
        assertFalse(execute(10));
        assertEquals(3L, value(3));
        steps.remove().run();
        assertEquals(1, booted.size());
    }

    @Test
    void aResetOrCancelDropsThePackage() throws Exception {
        download("2.0.0");
        assertTrue(writeUri(""));
        assertState(0, 0);
        assertEquals("", value(7));
        assertFalse(execute(10));
        download("2.0.0");
        assertTrue(execute(10));
        assertState(0, 10);
        assertFalse(execute(2));
    }

    @ParameterizedTest
    @CsvSource({"NOT_ENOUGH_FLASH, 2", "OUT_OF_MEMORY, 3", "INTEGRITY, 5", "UNSUPPORTED_TYPE, 6"})
    void aPackageThatIsRefusedLeadsToIdle(String fault, long result) throws Exception {
        behave("{\"fault\":\"" + fault + "\",\"times\":1}");
        assertTrue(push("2.0.0"));
        steps.remove().run();
        assertState(0, result);
        download("2.0.0");
    }

    @ParameterizedTest
    @CsvSource({"UPDATE_FAILED, 2, 8", "UPDATE_FAILED_IDLE, 0, 8"})
    void anUpdateThatFailsDoesNotBoot(String fault, long state, long result) throws Exception {
        behave("{\"fault\":\"" + fault + "\"}");
        download("2.0.0");
        assertTrue(execute(2));
        steps.remove().run();
        assertState(state, result);
        assertEquals(List.of(), booted);
    }

    @ParameterizedTest
    @CsvSource({"POWER_CUT, 1.0.0, 2, 0", "POWER_CUT_IDLE, 1.0.0, 0, 0", "OLD_VERSION, 1.0.0, 0, 1",
        "DISAPPEARS, 2.0.0, 0, 1"})
    void theStateAfterTheBootIsThatOfTheFault(String fault, String version, long state, long result) throws Exception {
        behave("{\"fault\":\"" + fault + "\",\"times\":1}");
        download("2.0.0");
        assertTrue(execute(2));
        steps.remove().run();
        flash = booted.get(0);
        assertEquals(version, flash.version());
        firmware = boot();
        assertState(state, result);
        assertEquals(state == 2 ? "2.0.0" : "", value(7));
        assertEquals(state == 2, execute(2));
    }

    @Test
    void aLostPackageRebootsWithoutIt() throws Exception {
        behave("{\"fault\":\"package_lost\",\"times\":1}");
        download("2.0.0");
        steps.remove().run();
        assertEquals(List.of(Flash.FACTORY), booted);
    }

    @Test
    void aDeferredUpdateStartsLater() throws Exception {
        behave("{\"fault\":\"deferred\"}");
        download("2.0.0");
        assertTrue(execute(2));
        assertState(2, 11);
        steps.remove().run();
        assertState(3, 0);
    }

    @Test
    void anAddressThatIsRefusedLeadsToItsResult() {
        behave("{\"fault\":\"unsupported_protocol\",\"times\":1}");
        assertFalse(writeUri("http://127.0.0.1:1/fw"));
        assertState(0, 9);
        behave("{\"fault\":\"invalid_uri\"}");
        assertTrue(writeUri("http://127.0.0.1:1/fw"));
        assertState(0, 7);
        behave("{\"fault\":\"download_lost\"}");
        assertTrue(writeUri("http://127.0.0.1:1/fw"));
        assertState(1, 0);
        steps.remove().run();
        assertEquals(List.of(Flash.FACTORY), booted);
    }

    @Test
    void aStalledDownloadEndsWithAReset() {
        behave("{\"fault\":\"download_stalls\"}");
        assertTrue(writeUri("http://127.0.0.1:1/fw"));
        assertState(1, 0);
        assertTrue(steps.isEmpty());
        assertTrue(writeUri(""));
        assertState(0, 0);
    }

    @Test
    void theOtherDeliveryIsRefused() throws Exception {
        behave("{\"delivery\":\"pull\"}");
        firmware = boot();
        assertFalse(push("2.0.0"));
        assertEquals(0L, value(9));
        behave("{\"delivery\":\"push\"}");
        firmware = boot();
        assertFalse(writeUri("http://127.0.0.1:1/fw"));
        assertEquals(1L, value(9));
    }

    @ParameterizedTest
    @CsvSource({"never, ''", "once, '5/0/3 5/0/3'", "twice, '5/0/3 5/0/3 5/0/3 5/0/3'"})
    void changesAreNotifiedAsTheBehaviorSays(String reports, String expected) throws Exception {
        behave("{\"reports\":\"" + reports + "\"}");
        List<LwM2mPath> changes = new ArrayList<>();
        firmware.addResourceListener(new ResourceListener() {
            @Override
            public void resourceChanged(LwM2mPath... paths) {
                Stream.of(paths).filter(path -> path.getResourceId() == 3).forEach(changes::add);
            }
        });
        assertTrue(push("2.0.0"));
        while (!steps.isEmpty()) {
            steps.remove().run();
        }
        assertEquals(expected, changes.stream().map(path -> path.toString().substring(1))
                .collect(Collectors.joining(" ")));
        assertState(2, 0);
    }

    @Test
    void anUnknownKeyIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> behave("{\"fualt\":\"power_cut\"}"));
        assertThrows(IllegalArgumentException.class, () -> behave("{\"fault\":\"fire\"}"));
    }

    private Firmware boot() {
        Firmware next = new Firmware(new Board());
        next.setId(0);
        next.setModel(MODEL);
        return next;
    }

    private void behave(String json) {
        try {
            record.set(FirmwareBehavior.read(Json.read(json)));
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private void download(String version) throws Exception {
        assertTrue(push(version));
        steps.remove().run();
        assertEquals(2L, value(3));
    }

    private boolean push(String version) throws Exception {
        byte[] image = "image".getBytes(StandardCharsets.UTF_8);
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
        byte[] bytes = ("FIRMWARE " + version + " " + digest + "\nimage").getBytes(StandardCharsets.UTF_8);
        return firmware.write(SERVER, true, 0, LwM2mSingleResource.newBinaryResource(0, bytes)).isSuccess();
    }

    private boolean writeUri(String uri) {
        return firmware.write(SERVER, true, 1, LwM2mSingleResource.newStringResource(1, uri)).isSuccess();
    }

    private boolean execute(int resource) {
        return firmware.execute(SERVER, resource, Arguments.emptyArguments()).isSuccess();
    }

    private void assertState(long state, long result) {
        assertEquals(List.of(state, result), List.of(value(3), value(5)));
    }

    private Object value(int resource) {
        return ((LwM2mSingleResource) firmware.read(LwM2mServer.SYSTEM, resource).getContent()).getValue();
    }

    private final class Board implements Firmware.Board {
        @Override
        public Flash flash() {
            return flash;
        }

        @Override
        public int room() {
            return 1 << 20;
        }

        @Override
        public FirmwareRecord record() {
            return record;
        }

        @Override
        public void later(long millis, Runnable step) {
            steps.add(step);
        }

        @Override
        public void boot(Flash next) {
            booted.add(next);
        }

        @Override
        public void turnOff(Flash next) {
            booted.add(next);
        }
    }
}
