package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.eclipse.leshan.client.RegistrationUpdate;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.SendRequest;
import org.reveille.leshan.json.Json;

/**
 * A real LwM2M client that is controlled from outside and records the requests that it receives; its identity survives
 * reboots.
 */
final class Device implements AutoCloseable {
    /** Time for a response before the device reboots after it. */
    private static final long STEP_MS = 100;
    private static final int TRIES_TO_REGISTER = 6;
    private static final int FIRMWARE = 5;

    private final int id;
    private final DeviceSpec spec;
    private final SharedResources shared;
    private final DatagramGate gate;
    private final ReceivedRequests received = new ReceivedRequests();
    private final Behaviors behaviors = new Behaviors();
    private final FirmwareRecord firmware;
    private final Radio radio;
    private volatile Flash flash = Flash.FACTORY;
    private volatile long clockOffset;
    private volatile int boots;
    private volatile Board board;
    private volatile BootedDevice booted;
    private volatile boolean stopped;

    Device(int id, DeviceSpec spec, SharedResources shared) {
        this.id = id;
        this.spec = spec;
        this.shared = shared;
        this.gate = new DatagramGate(shared.protocol());
        this.firmware = new FirmwareRecord(spec.firmware());
        this.radio = spec.radio() == null
                ? null : new Radio(shared.sockets(), shared.protocol(), URI.create(spec.server()));
        if (radio != null) {
            radio.set(spec.radio());
        }
        this.booted = boot(0);
    }

    int id() {
        return id;
    }

    String name() {
        return spec.name();
    }

    ReceivedRequests received() {
        return received;
    }

    Behaviors behaviors() {
        return behaviors;
    }

    DatagramGate gate() {
        return gate;
    }

    FirmwareRecord firmware() {
        return firmware;
    }

    /** Sets how it updates its firmware from now on. */
    void setFirmware(FirmwareBehavior next) {
        firmware.set(next);
        if (spec.objects().contains(FIRMWARE)) {
            set(new LwM2mPath(FIRMWARE, 0, Firmware.DELIVERY),
                    Json.object().numberNode(next.delivery().ordinal()));
        }
    }

    /**
     * Returns the radio.
     *
     * @throws NoSuchElementException if the device was created without one
     */
    Radio radio() {
        if (radio == null) {
            throw new NoSuchElementException("the device was created without a radio");
        }
        return radio;
    }

    /** Sets the milliseconds by which its clock is wrong from now on: in the times of its samples, and in 3/0/13. */
    void clockOffset(long millis) {
        clockOffset = millis;
        set(new LwM2mPath(3, 0, 13), Json.object().numberNode(System.currentTimeMillis() + millis));
    }

    /** Receives requests again and sends a registration update. */
    CompletableFuture<UplinkResult> wake(boolean newPort, Long lifetime) {
        resumeReception(newPort);
        return booted.engine().update(new RegistrationUpdate(lifetime));
    }

    /** Receives requests again and sends a full registration. */
    CompletableFuture<UplinkResult> register(boolean newPort) {
        resumeReception(newPort);
        return booted.engine().register();
    }

    CompletableFuture<UplinkResult> deregister() {
        return booted.engine().deregister();
    }

    /** Sends the current values under these paths (LwM2M Send); also while it does not receive requests. */
    CompletableFuture<UplinkResult> send(List<String> paths, ContentFormat format) {
        return booted.send(paths, format);
    }

    /** Sends values with their times (LwM2M Send), as {@link Samples} reads them. */
    CompletableFuture<UplinkResult> sendSamples(JsonNode samples, ContentFormat format) {
        return booted.engine().send(
                new SendRequest(format, Samples.read(samples, shared.model(), clockOffset), null));
    }

    /** Writes a value of a resource as the device itself; observers are notified, also of an equal value. */
    void set(LwM2mPath path, JsonNode value) {
        booted.set(path, value);
    }

    /** Returns the device's value, read without the network; JSON null if there is none. */
    JsonNode value(LwM2mPath path) {
        return booted.value(path);
    }

    /**
     * Is off for the given time, receives nothing meanwhile, then boots with its initial values and registers again.
     * Its received requests and its behaviors stay.
     */
    CompletableFuture<UplinkResult> reboot(long bootMillis) {
        gate.setReception(DatagramGate.Reception.OFF);
        board.stop();
        int port = booted.port();
        return CompletableFuture.runAsync(booted::close, after(0))
                .thenRunAsync(() -> bootAgain(port), after(bootMillis))
                .thenCompose(none -> registerUntilAnswered(TRIES_TO_REGISTER));
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("id", id).put("name", spec.name()).put("server", spec.server());
        json.put("queueMode", spec.queueMode()).put("lifetime", spec.lifetime());
        json.put("registrationId", booted.engine().registrationId());
        json.put("hearing", gate.reception().name()).put("stopped", stopped).put("boots", boots);
        json.put("port", stopped ? null : radio == null ? Integer.valueOf(booted.port()) : radio.outerPort());
        json.putArray("objects").add(1);
        spec.objects().forEach(json.withArray("objects")::add);
        json.set("firmware", firmware.writeCounts());
        return json;
    }

    /** Disappears without a deregistration: only the socket is closed. */
    @Override
    public synchronized void close() {
        if (!stopped) {
            stopped = true;
            booted.close();
            if (radio != null) {
                radio.close();
            }
        }
    }

    private BootedDevice boot(int port) {
        boots++;
        String server = radio == null ? spec.server() : radio.uri().toString();
        board = new Board();
        return BootedDevice.boot(spec, shared, server, gate, port, board, this::receiver);
    }

    /** Boots with the same port, so that datagrams that are still on the way reach the device. */
    private synchronized void bootAgain(int port) {
        if (!stopped) {
            gate.clearResponseRules();
            booted = boot(port);
            gate.setReception(DatagramGate.Reception.ON);
        }
    }

    private CompletableFuture<UplinkResult> registerUntilAnswered(int tries) {
        if (stopped) {
            return CompletableFuture.completedFuture(new UplinkResult("REGISTER", 0, "stopped"));
        }
        return booted.engine().register().thenCompose(answer -> answer.code() != 0 || tries == 1
                ? CompletableFuture.completedFuture(answer) : registerUntilAnswered(tries - 1));
    }

    private DownlinkRequestReceiver receiver(DownlinkRequestReceiver objects) {
        return new BehaviorReceiver(objects, received, behaviors, gate, this::rebootOver);
    }

    private void rebootOver(Behavior behavior) {
        if (behavior.reboot() == Behavior.Reboot.ANSWERED) {
            after(STEP_MS).execute(() -> reboot(behavior.bootMillis()));
        } else {
            gate.setReception(DatagramGate.Reception.OFF);
            after(0).execute(() -> reboot(behavior.bootMillis()));
        }
    }

    /** Returns an executor outside of the devices' few threads: a client takes a moment to stop. */
    private static Executor after(long millis) {
        return CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS);
    }

    private void resumeReception(boolean newPort) {
        if (stopped) {
            throw new IllegalStateException("the device was stopped");
        }
        if (newPort) {
            booted.openPort();
        }
        if (radio != null) {
            if (newPort) {
                radio.rebind();
            }
            radio.release();
        }
        gate.setReception(DatagramGate.Reception.ON);
    }

    /** The device from the perspective of its firmware object, from one boot to the next. */
    private final class Board implements Firmware.Board {
        private volatile boolean isStopped;

        /** Drops all later steps. */
        void stop() {
            isStopped = true;
        }

        @Override
        public Flash flash() {
            return flash;
        }

        @Override
        public int room() {
            return spec.room();
        }

        @Override
        public FirmwareRecord record() {
            return firmware;
        }

        @Override
        public void later(long millis, Runnable step) {
            after(millis).execute(() -> {
                if (!isStopped) {
                    step.run();
                }
            });
        }

        @Override
        public void boot(Flash next) {
            flash = next;
            reboot(firmware.behavior().bootMillis());
        }

        @Override
        public void turnOff(Flash next) {
            flash = next;
            stop();
            gate.setReception(DatagramGate.Reception.OFF);
        }
    }
}
