package org.reveille.leshan.server;

import org.reveille.leshan.security.Access;
import org.reveille.leshan.security.Identity;

/**
 * How the REST API is served.
 *
 * @param host the address to bind
 * @param port 0 chooses a free one
 * @param identity with a certificate it is served over TLS; with authorities too, clients have to show one of theirs
 * @param access who may use it
 */
public record HttpSettings(String host, int port, Identity identity, Access access) {
    /** Whether it asks its callers for nothing. */
    boolean isOpen() {
        return !access.needsToken() && !identity.asksForCertificates();
    }
}
