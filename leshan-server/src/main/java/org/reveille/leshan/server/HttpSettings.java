package org.reveille.leshan.server;

import org.reveille.leshan.security.ApiTokens;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;

/**
 * Settings of the REST API.
 *
 * @param host the address to bind
 * @param port 0 chooses a free one
 * @param identity with a certificate, the API is served over TLS; with authorities too, clients must present a
 *     certificate that one of them issued
 * @param access the callers that are allowed
 * @param origins the origins whose web pages may use it without a token
 */
public record HttpSettings(String host, int port, Identity identity, ApiTokens access, Origins origins) {
    /** Returns whether callers need no credentials. */
    boolean isOpen() {
        return !access.needsToken() && !identity.requiresCertificates();
    }
}
