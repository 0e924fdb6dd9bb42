package org.reveille.leshan.devices;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * Object 5, Firmware Update, with the state machine of LwM2M 1.1, E.6. A package is pushed into 5/0/0 or downloaded
 * from 5/0/1, verified, installed by 5/0/2, and after a reboot 3/0/3 has its version. The device's
 * {@link FirmwareBehavior} says how it fails.
 */
final class Firmware extends StaticInstance {
    static final int DELIVERY = 9;
    static final long IDLE = 0;

    private static final int PACKAGE = 0;
    private static final int PACKAGE_URI = 1;
    private static final int UPDATE = 2;
    private static final int STATE = 3;
    private static final int RESULT = 5;
    private static final int PACKAGE_NAME = 6;
    private static final int PACKAGE_VERSION = 7;
    private static final int PROTOCOLS = 8;
    private static final int CANCEL = 10;

    private static final long DOWNLOADING = 1;
    private static final long DOWNLOADED = 2;
    private static final long UPDATING = 3;

    private static final long UPDATED = 1;
    private static final long UPDATE_FAILED = 8;
    private static final long CANCELED = 10;
    private static final long HTTP = 2;

    /** The other parts of the device. */
    interface Board {
        /** Returns the state from before the boot. */
        Flash flash();

        /** Returns the size of the largest package that can be stored, in bytes. */
        int room();

        /** Returns the behavior and the counts. */
        FirmwareRecord record();

        /** Runs a step after a time, unless the device reboots before. */
        void later(long millis, Runnable step);

        /** Boots with another state. */
        void boot(Flash next);

        /** Is off until a command boots it with another state. */
        void turnOff(Flash next);
    }

    private final Board board;
    private final FirmwareRecord record;
    /** Counts packages, addresses and resets: a step that belongs to an earlier one has no effect. */
    private int attempt;

    Firmware(Board board) {
        super(List.of(PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT, PACKAGE_NAME, PACKAGE_VERSION, PROTOCOLS, DELIVERY,
                CANCEL), Set.of(UPDATE, CANCEL), values(board.flash(), board.record().behavior()));
        this.board = board;
        this.record = board.record();
    }

    private static Map<Integer, Object> values(Flash flash, FirmwareBehavior behavior) {
        return Map.of(PACKAGE_URI, "", STATE, flash.updateState(), RESULT, flash.updateResult(),
                PACKAGE_NAME, name(flash.packageVersion()), PACKAGE_VERSION, flash.packageVersion(),
                PROTOCOLS, Map.of(0, HTTP), DELIVERY, (long) behavior.delivery().ordinal());
    }

    @Override
    public synchronized WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        if (server.isSystem() || (resource != PACKAGE && resource != PACKAGE_URI)) {
            return super.write(server, replace, resource, value);
        }
        boolean resets = resets(value);
        if (!isDelivered(resource) || (resets ? state() == UPDATING : state() != IDLE)) {
            return WriteResponse.methodNotAllowed();
        }
        if (!resets && resource == PACKAGE_URI && record.take(FirmwareFault.UNSUPPORTED_PROTOCOL) != null) {
            setState(IDLE, FirmwareFault.UNSUPPORTED_PROTOCOL.result());
            return WriteResponse.badRequest("unsupported protocol");
        }
        WriteResponse response = super.write(server, replace, resource, value);
        if (response.isSuccess()) {
            attempt++;
            setPackage("");
            setState(resets ? IDLE : DOWNLOADING, 0);
            if (!resets) {
                load(resource, value.getValue());
            }
        }
        return response;
    }

    @Override
    public synchronized ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        return switch (resource) {
            case UPDATE -> update();
            case CANCEL -> cancel();
            default -> super.execute(server, resource, arguments);
        };
    }

    private ExecuteResponse update() {
        if (state() != DOWNLOADED) {
            return ExecuteResponse.methodNotAllowed();
        }
        record.updateBegins();
        int current = attempt;
        if (record.take(FirmwareFault.DEFERRED) == null) {
            start(current);
        } else {
            setState(DOWNLOADED, FirmwareFault.DEFERRED.result());
            board.later(record.behavior().downloadedMillis(), () -> start(current));
        }
        return ExecuteResponse.success();
    }

    private ExecuteResponse cancel() {
        if (state() != DOWNLOADING && state() != DOWNLOADED) {
            return ExecuteResponse.methodNotAllowed();
        }
        attempt++;
        setPackage("");
        setState(IDLE, CANCELED);
        return ExecuteResponse.success();
    }

    private boolean isDelivered(int resource) {
        return record.behavior().delivery()
                != (resource == PACKAGE ? FirmwareBehavior.Delivery.PULL : FirmwareBehavior.Delivery.PUSH);
    }

    private void load(int resource, Object value) {
        int current = attempt;
        if (resource == PACKAGE) {
            record.packageReceived();
            Download pushed = pushed((byte[]) value);
            board.later(FirmwareBehavior.STEP_MS, () -> verify(current, pushed));
            return;
        }
        long problem = record.take(FirmwareFault.INVALID_URI) == null
                ? Download.problem((String) value) : Download.INVALID_URI;
        if (problem != 0) {
            verify(current, new Download(null, problem));
        } else {
            record.downloadBegins();
            download(current, (String) value);
        }
    }

    private void download(int current, String uri) {
        long millis = record.behavior().downloadMillis();
        if (record.take(FirmwareFault.DOWNLOAD_STALLS) != null) {
            return;
        }
        if (record.expects(FirmwareFault.DOWNLOAD_LOST)) {
            board.later(millis + FirmwareBehavior.STEP_MS, () -> lose(current, DOWNLOADING, FirmwareFault.DOWNLOAD_LOST));
            return;
        }
        boolean interrupted = record.take(FirmwareFault.CONNECTION_LOST) != null;
        Download.Plan plan = new Download.Plan(board.room(), millis, Download.PATIENCE, record.behavior().resumes(),
                interrupted, record::downloadResumes);
        Download.begin(uri, plan)
                .thenAccept(got -> board.later(FirmwareBehavior.STEP_MS, () -> verify(current, got)));
    }

    private Download pushed(byte[] bytes) {
        return bytes.length > board.room() ? new Download(null, Download.TOO_LARGE) : new Download(bytes, 0);
    }

    /** Verifies a package. It is dropped if a reset was received meanwhile. */
    private synchronized void verify(int current, Download got) {
        if (current != attempt) {
            return;
        }
        FirmwarePackage found = verified(got);
        if (found.result() != 0) {
            setState(IDLE, found.result());
            return;
        }
        setPackage(found.version());
        setState(DOWNLOADED, 0);
        if (record.expects(FirmwareFault.PACKAGE_LOST)) {
            board.later(record.behavior().downloadedMillis(),
                    () -> lose(current, DOWNLOADED, FirmwareFault.PACKAGE_LOST));
        }
    }

    private FirmwarePackage verified(Download got) {
        if (got.result() != 0) {
            return new FirmwarePackage(null, got.result());
        }
        FirmwareFault fault = record.take(FirmwareFault.NOT_ENOUGH_FLASH, FirmwareFault.OUT_OF_MEMORY,
                FirmwareFault.INTEGRITY, FirmwareFault.UNSUPPORTED_TYPE);
        return fault == null ? FirmwarePackage.read(got.bytes()) : new FirmwarePackage(null, fault.result());
    }

    /** Reboots without the package if the update is still in this state. */
    private synchronized void lose(int current, long state, FirmwareFault fault) {
        if (current == attempt && state() == state && record.take(fault) != null) {
            attempt++;
            board.boot(Flash.idle(board.flash().version(), 0));
        }
    }

    private synchronized void start(int current) {
        if (current == attempt && state() == DOWNLOADED) {
            setState(UPDATING, 0);
            board.later(record.behavior().updateMillis(), () -> install(current));
        }
    }

    /** Installs a package. A version that begins with "broken" cannot be installed. */
    private synchronized void install(int current) {
        if (current != attempt || state() != UPDATING) {
            return;
        }
        String version = (String) resources.get(PACKAGE_VERSION).getValue();
        if (version.startsWith("broken")) {
            setState(DOWNLOADED, UPDATE_FAILED);
            return;
        }
        FirmwareFault fault = record.take(FirmwareFault.UPDATE_FAILED, FirmwareFault.UPDATE_FAILED_IDLE,
                FirmwareFault.POWER_CUT, FirmwareFault.POWER_CUT_IDLE, FirmwareFault.OLD_VERSION,
                FirmwareFault.DISAPPEARS);
        if (fault == null) {
            record.applied(version);
            board.boot(Flash.idle(version, UPDATED));
        } else {
            fail(fault, version);
        }
    }

    private void fail(FirmwareFault fault, String version) {
        String old = board.flash().version();
        switch (fault) {
            case UPDATE_FAILED -> setState(DOWNLOADED, fault.result());
            case UPDATE_FAILED_IDLE -> {
                setPackage("");
                setState(IDLE, fault.result());
            }
            case POWER_CUT -> board.boot(new Flash(old, DOWNLOADED, fault.result(), version));
            case DISAPPEARS -> {
                record.applied(version);
                board.turnOff(Flash.idle(version, fault.result()));
            }
            default -> board.boot(Flash.idle(old, fault.result()));
        }
    }

    private long state() {
        return (Long) resources.get(STATE).getValue();
    }

    private void setState(long state, long result) {
        set(RESULT, result);
        set(STATE, state);
    }

    private void set(int resource, long value) {
        LwM2mResource next = LwM2mSingleResource.newIntegerResource(resource, value);
        if (!next.equals(resources.put(resource, next))) {
            report(resource);
        }
    }

    /** Notifies the observers of State or Update Result. */
    private void report(int resource) {
        FirmwareBehavior behavior = record.behavior();
        long delay = behavior.reportDelayMillis();
        if (behavior.reports() == FirmwareBehavior.Reports.NEVER) {
            return;
        }
        if (behavior.reports() == FirmwareBehavior.Reports.TWICE) {
            board.later(delay + FirmwareBehavior.STEP_MS, () -> fireResourceChange(resource));
        }
        if (delay == 0) {
            fireResourceChange(resource);
        } else {
            board.later(delay, () -> fireResourceChange(resource));
        }
    }

    private void setPackage(String version) {
        setText(PACKAGE_NAME, name(version));
        setText(PACKAGE_VERSION, version);
    }

    private void setText(int resource, String value) {
        LwM2mResource next = LwM2mSingleResource.newStringResource(resource, value);
        if (!next.equals(resources.get(resource))) {
            super.write(LwM2mServer.SYSTEM, true, resource, next);
        }
    }

    private static String name(String version) {
        return version.isEmpty() ? "" : "firmware";
    }

    /** Returns whether a value resets the update: an empty text, no bytes, or the single byte 0. */
    private static boolean resets(LwM2mResource value) {
        if (value.getType() == Type.OPAQUE) {
            byte[] bytes = (byte[]) value.getValue();
            return bytes.length == 0 || bytes.length == 1 && bytes[0] == 0;
        }
        return "".equals(value.getValue());
    }
}
