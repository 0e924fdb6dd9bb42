package org.reveille.leshan.security;

import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.peer.LwM2mPeer;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UplinkRequest;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.security.DefaultAuthorizer;
import org.eclipse.leshan.servers.security.Authorization;
import org.eclipse.leshan.servers.security.SecurityStore;

/**
 * Leshan's own checks, and no registration under a name with a control character: it would break lines of logs, and
 * receivers refuse every event about it. Such a device is answered 4.03.
 */
public final class NameChecker extends DefaultAuthorizer {
    public NameChecker(SecurityStore credentials) {
        super(credentials);
    }

    @Override
    public Authorization isAuthorized(
            UplinkRequest<?> request, Registration client, LwM2mPeer sender, EndpointUri endpoint) {
        boolean unusable = request instanceof RegisterRequest register && !isName(register.getEndpointName());
        return unusable ? Authorization.declined() : super.isAuthorized(request, client, sender, endpoint);
    }

    /** Unicode's line and paragraph separators end lines too. */
    static boolean isName(String name) {
        return name.codePoints().noneMatch(
                c -> Character.isISOControl(c) || c == 0x2028 || c == 0x2029);
    }
}
