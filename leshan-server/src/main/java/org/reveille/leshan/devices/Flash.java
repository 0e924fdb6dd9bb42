package org.reveille.leshan.devices;

/**
 * The state of a device that survives a reboot.
 *
 * @param version of its firmware, resource 3/0/3
 * @param updateResult of its last firmware update, resource 5/0/5
 */
record Flash(String version, long updateResult) {
    static final Flash FACTORY = new Flash("1.0.0", 0);
}
