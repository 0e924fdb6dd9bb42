package org.reveille.leshan.options;

import org.reveille.leshan.BadSetting;

/** What numbers can be; each refusal names the option. */
public final class Bounds {
    private static final int HIGHEST_PORT = 65_535;

    private Bounds() {
    }

    /** @throws BadSetting when it is another one */
    static void check(String option, long value, long least, long most) {
        if (value < least || value > most) {
            throw new BadSetting(option + ": " + least + " to " + most + " is expected, not " + value + ".");
        }
    }

    /**
     * Refuses what is no port.
     *
     * @param port null is none at all
     */
    public static void checkPort(String option, Integer port) {
        if (port != null) {
            check(option, port, 0, HIGHEST_PORT);
        }
    }
}
