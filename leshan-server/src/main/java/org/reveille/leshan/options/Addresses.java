package org.reveille.leshan.options;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.reveille.leshan.BadSetting;

/** What addresses to bind mean. */
final class Addresses {
    private Addresses() {
    }

    /** Whether only programs of this machine reach it. */
    static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            throw new BadSetting("There is no address " + host + " to bind.");
        }
    }
}
