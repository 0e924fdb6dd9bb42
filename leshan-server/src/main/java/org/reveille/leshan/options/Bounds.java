package org.reveille.leshan.options;

import org.reveille.leshan.SettingException;

/** Checks the range of numeric options; each error names the option. */
public final class Bounds {
    private static final int HIGHEST_PORT = 65_535;

    private Bounds() {
    }

    /**
     * Checks a value.
     *
     * @throws SettingException if it is out of range
     */
    static void check(String option, long value, long least, long most) {
        if (value < least || value > most) {
            throw new SettingException(option + ": " + least + " to " + most + " is expected, not " + value + ".");
        }
    }

    /**
     * Refuses a number that is not a port.
     *
     * @param port null if there is none
     */
    public static void checkPort(String option, Integer port) {
        if (port != null) {
            check(option, port, 0, HIGHEST_PORT);
        }
    }
}
