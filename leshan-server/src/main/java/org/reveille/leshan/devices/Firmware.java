package org.reveille.leshan.devices;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * Object 5, Firmware Update, with the state machine of LwM2M 1.1, E.6. A package is pushed into 5/0/0 or downloaded
 * from 5/0/1, verified, installed by 5/0/2, and after a reboot 3/0/3 has its version.
 */
final class Firmware extends StaticInstance {
    private static final int PACKAGE = 0;
    private static final int PACKAGE_URI = 1;
    private static final int UPDATE = 2;
    private static final int STATE = 3;
    private static final int RESULT = 5;
    private static final int PACKAGE_VERSION = 7;
    private static final int PROTOCOLS = 8;
    private static final int DELIVERY = 9;

    private static final long IDLE = 0;
    private static final long DOWNLOADING = 1;
    private static final long DOWNLOADED = 2;
    private static final long UPDATING = 3;

    private static final long UPDATED = 1;
    private static final long UPDATE_FAILED = 8;
    private static final long HTTP = 2;
    private static final long PUSH_AND_PULL = 2;

    /** The other parts of the device. */
    interface Board {
        /** Returns the state from before the boot. */
        Flash flash();

        /** Returns the size of the largest package that can be stored, in bytes. */
        int room();

        /** Runs a step after the duration of a state. */
        void later(Runnable step);

        /** Boots with another firmware. */
        void boot(Flash next);
    }

    private final Board board;
    private int attempt;

    Firmware(Board board) {
        super(List.of(PACKAGE, PACKAGE_URI, UPDATE, STATE, RESULT, PACKAGE_VERSION, PROTOCOLS, DELIVERY), Set.of(UPDATE),
                Map.of(PACKAGE_URI, "", STATE, IDLE, RESULT, board.flash().updateResult(), PACKAGE_VERSION, "",
                        PROTOCOLS, Map.of(0, HTTP), DELIVERY, PUSH_AND_PULL));
        this.board = board;
    }

    @Override
    public synchronized WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        if (server.isSystem() || (resource != PACKAGE && resource != PACKAGE_URI)) {
            return super.write(server, replace, resource, value);
        }
        boolean resets = resets(value);
        if (!resets && state() != IDLE) {
            return WriteResponse.methodNotAllowed();
        }
        WriteResponse response = super.write(server, replace, resource, value);
        if (response.isSuccess()) {
            attempt++;
            setState(resets ? IDLE : DOWNLOADING, 0);
            if (!resets) {
                load(resource, value.getValue());
            }
        }
        return response;
    }

    @Override
    public synchronized ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        if (resource != UPDATE) {
            return super.execute(server, resource, arguments);
        }
        if (state() != DOWNLOADED) {
            return ExecuteResponse.methodNotAllowed();
        }
        setState(UPDATING, 0);
        int current = attempt;
        board.later(() -> install(current));
        return ExecuteResponse.success();
    }

    private void load(int resource, Object value) {
        int current = attempt;
        CompletableFuture<Download> download = resource == PACKAGE
                ? CompletableFuture.completedFuture(pushed((byte[]) value))
                : Download.begin((String) value, board.room());
        if (resource == PACKAGE_URI && download.isDone()) {
            verify(current, download.join());
        } else {
            download.thenAccept(got -> board.later(() -> verify(current, got)));
        }
    }

    private Download pushed(byte[] bytes) {
        return bytes.length > board.room() ? new Download(null, Download.TOO_LARGE) : new Download(bytes, 0);
    }

    /** Verifies a package. It is dropped if a reset was received meanwhile. */
    private synchronized void verify(int current, Download got) {
        if (current != attempt) {
            return;
        }
        FirmwarePackage found = got.result() == 0
                ? FirmwarePackage.read(got.bytes()) : new FirmwarePackage(null, got.result());
        if (found.result() == 0) {
            set(LwM2mSingleResource.newStringResource(PACKAGE_VERSION, found.version()));
        }
        setState(found.result() == 0 ? DOWNLOADED : IDLE, found.result());
    }

    /** Installs a package. A version that begins with "broken" cannot be installed. */
    private synchronized void install(int current) {
        if (current != attempt) {
            return;
        }
        String version = (String) resources.get(PACKAGE_VERSION).getValue();
        if (version.startsWith("broken")) {
            setState(DOWNLOADED, UPDATE_FAILED);
        } else {
            board.boot(new Flash(version, UPDATED));
        }
    }

    private long state() {
        return (Long) resources.get(STATE).getValue();
    }

    private void setState(long state, long result) {
        set(LwM2mSingleResource.newIntegerResource(RESULT, result));
        set(LwM2mSingleResource.newIntegerResource(STATE, state));
    }

    private void set(LwM2mResource value) {
        if (!value.equals(resources.get(value.getId()))) {
            write(LwM2mServer.SYSTEM, true, value.getId(), value);
        }
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
