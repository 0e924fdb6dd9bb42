package org.reveille.leshan.security;

import java.util.function.Consumer;
import java.util.function.Predicate;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.peer.LwM2mPeer;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UplinkRequest;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.security.DefaultAuthorizer;
import org.eclipse.leshan.servers.security.Authorization;
import org.eclipse.leshan.servers.security.SecurityStore;

/**
 * Authorizes registrations: Leshan's own checks, and no registration under a name that may not register, or has a
 * control character: it would break lines of logs, and receivers refuse every event about it. Such a device is answered
 * 4.03.
 */
public final class RegistrationAuthorizer extends DefaultAuthorizer {
    private final Predicate<String> allowed;
    private final Consumer<String> refused;

    /**
     * Creates the authorizer.
     *
     * @param allowed the endpoint names that may register
     * @param refused receives the reason of each refusal: {@code name}, {@code allow_list} or {@code credentials}
     */
    public RegistrationAuthorizer(SecurityStore credentials, Predicate<String> allowed, Consumer<String> refused) {
        super(credentials);
        this.allowed = allowed;
        this.refused = refused;
    }

    @Override
    public Authorization isAuthorized(
            UplinkRequest<?> request, Registration client, LwM2mPeer sender, EndpointUri endpoint) {
        if (!(request instanceof RegisterRequest)) {
            return super.isAuthorized(request, client, sender, endpoint);
        }
        if (!isName(client.getEndpoint())) {
            return refuse("name");
        }
        if (!allowed.test(client.getEndpoint())) {
            return refuse("allow_list");
        }
        Authorization authorization = super.isAuthorized(request, client, sender, endpoint);
        return authorization.isDeclined() ? refuse("credentials") : authorization;
    }

    private Authorization refuse(String reason) {
        refused.accept(reason);
        return Authorization.declined();
    }

    /** Returns whether a name is valid. Unicode's line and paragraph separators end lines too. */
    static boolean isName(String name) {
        return name.codePoints().noneMatch(
                c -> Character.isISOControl(c) || c == 0x2028 || c == 0x2029);
    }
}
