package org.reveille.leshan.devices;

/**
 * The state of a device that survives a reboot.
 *
 * @param version of its firmware, resource 3/0/3
 * @param updateState of its firmware update, resource 5/0/3
 * @param updateResult of its last firmware update, resource 5/0/5
 * @param packageVersion of the downloaded package, resource 5/0/7; empty for none
 */
record Flash(String version, long updateState, long updateResult, String packageVersion) {
    static final Flash FACTORY = idle("1.0.0", 0);

    /** Returns the state without a package. */
    static Flash idle(String version, long updateResult) {
        return new Flash(version, Firmware.IDLE, updateResult, "");
    }
}
