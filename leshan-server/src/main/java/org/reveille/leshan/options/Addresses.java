package org.reveille.leshan.options;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import org.reveille.leshan.SettingException;

/** Checks addresses of options. */
final class Addresses {
    private static final int HIGHEST_PORT = 65_535;

    private Addresses() {
    }

    /**
     * Returns an address if it can be posted to.
     *
     * @throws SettingException if it cannot
     */
    static URI http(String option, URI address) {
        boolean usable = address.getHost() != null && address.getPort() <= HIGHEST_PORT
                && List.of("http", "https").contains(String.valueOf(address.getScheme()).toLowerCase(Locale.ROOT));
        if (!usable) {
            throw new SettingException(option + ": an http or https address with a host is expected.");
        }
        return address;
    }

    /** Returns whether only programs of this machine can reach the address. */
    static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new SettingException("The address " + host + " is unknown.");
        }
    }
}
