package org.reveille.leshan.security;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Collection;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Checks which web pages may use an address that requires no token. A browser sends a page's requests to loopback too,
 * with the client certificate that it holds. It names the page in `Origin` or indicates in `Sec-Fetch-Site` that it
 * belongs to another site; programs send neither. A page whose own name was redirected to this address (DNS rebinding)
 * does not belong to another site for the browser, so names in `Host` must be known ones too.
 */
public final class Origins {
    private static final Set<String> LOOPBACK = Set.of("localhost", "127.0.0.1", "[::1]");
    /** An IPv4 or IPv6 address as written in a URL: no name server redirects it. */
    private static final Pattern NUMERIC = Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9a-f:.]+]");

    private final Set<String> own = new HashSet<>();

    /**
     * Creates the check.
     *
     * @param host the address that is bound
     * @param names other names of the server, for example of a proxy
     */
    public Origins(String host, Collection<String> names) {
        own.add(normal(host.indexOf(':') < 0 ? host : "[" + host + "]"));
        names.forEach(name -> own.add(normal(name)));
        if (isLoopback(host)) {
            own.addAll(LOOPBACK);
        }
    }

    /**
     * Returns why a request is refused, as the rest of a sentence, or null.
     *
     * @param host the name or address in its URL, without port and with the brackets of IPv6, or null to skip this
     *     check
     * @param origin the header of that name, or null
     * @param fetchSite the header `Sec-Fetch-Site` (W3C Fetch Metadata), or null
     */
    public String refusal(String host, String origin, String fetchSite) {
        if (origin != null ? isForeign(origin) : isOfAnotherSite(fetchSite)) {
            return "web pages of other sites may not use this server without a token";
        }
        return host == null || isKnown(normal(host)) ? null : "the request's host is not a name of this server";
    }

    private boolean isForeign(String origin) {
        String page = hostOf(origin);
        return page == null || !own.contains(normal(page));
    }

    private boolean isKnown(String host) {
        return own.contains(host) || host.equals("localhost") || NUMERIC.matcher(host).matches();
    }

    /** Returns whether a request belongs to another site. `none` is a user who typed the address. */
    private static boolean isOfAnotherSite(String fetchSite) {
        return fetchSite != null && !fetchSite.equals("same-origin") && !fetchSite.equals("none");
    }

    private static String normal(String name) {
        return name.toLowerCase(Locale.ROOT);
    }

    /** Returns the host of an origin; null for a page without one, whose origin is `null`. */
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
