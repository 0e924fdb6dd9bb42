package org.reveille.leshan.security;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Set;

/**
 * Whose web pages may use an address that asks for no token. A browser sends a page's plain POST to loopback without
 * asking anybody, and names the page in `Origin`; programs send none.
 */
public final class Origins {
    private static final Set<String> LOOPBACK = Set.of("localhost", "127.0.0.1", "[::1]");

    private Origins() {
    }

    /**
     * Whether a request comes from a web page of elsewhere. The header `Host` is no help: a name that was pointed at
     * loopback stands in both.
     *
     * @param origin the header of that name, or null
     * @param host the address that is bound
     */
    public static boolean isForeign(String origin, String host) {
        return origin != null && !isOwn(hostOf(origin), host);
    }

    private static boolean isOwn(String page, String host) {
        return page != null && (page.equalsIgnoreCase(host) || page.equalsIgnoreCase("[" + host + "]")
                || LOOPBACK.contains(page) && isLoopback(host));
    }

    /** Null for a page without, which calls itself `null`. */
    private static String hostOf(String origin) {
        try {
            return URI.create(origin).getHost();
        } catch (IllegalArgumentException unreadable) {
            return null;
        }
    }

    private static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false;
        }
    }
}
