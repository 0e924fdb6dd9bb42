package org.reveille.leshan.server;

import org.reveille.leshan.security.Access;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;

/**
 * How the REST API is served.
 *
 * @param host the address to bind
 * @param port 0 chooses a free one
 * @param identity with a certificate it is served over TLS; with authorities too, clients have to show one of theirs
 * @param access who may use it
 * @param origins whose web pages may use it without a token
 */
public record HttpSettings(String host, int port, Identity identity, Access access, Origins origins) {
    /** Whether it asks its callers for nothing. */
    boolean isOpen() {
        return !access.needsToken() && !identity.asksForCertificates();
    }
}
