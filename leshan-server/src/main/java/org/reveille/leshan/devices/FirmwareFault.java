package org.reveille.leshan.devices;

/** A failure of a firmware update that a device can be made to have. The README describes each. */
enum FirmwareFault {
    NOT_ENOUGH_FLASH(2),
    OUT_OF_MEMORY(3),
    CONNECTION_LOST(4),
    INTEGRITY(5),
    UNSUPPORTED_TYPE(6),
    INVALID_URI(7),
    UNSUPPORTED_PROTOCOL(9),
    DOWNLOAD_STALLS(0),
    DOWNLOAD_LOST(0),
    PACKAGE_LOST(0),
    DEFERRED(11),
    UPDATE_FAILED(8),
    UPDATE_FAILED_IDLE(8),
    POWER_CUT(0),
    POWER_CUT_IDLE(0),
    OLD_VERSION(1),
    DISAPPEARS(1);

    private final long result;

    FirmwareFault(long result) {
        this.result = result;
    }

    /** Returns the value of resource 5/0/5 after the failure. */
    long result() {
        return result;
    }
}
