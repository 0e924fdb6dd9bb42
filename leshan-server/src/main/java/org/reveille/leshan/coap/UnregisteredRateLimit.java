package org.reveille.leshan.coap;

import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.interceptors.MessageInterceptor;
import org.eclipse.leshan.server.registration.RegistrationStore;
import org.eclipse.leshan.transport.californium.identity.IdentityHandler;

/**
 * Drops requests of peers without a registration that exceed the rate of their address. Californium stores each request
 * for EXCHANGE_LIFETIME (247 s) to recognize its duplicates, so requests must be dropped before that. A dropped request
 * is like a lost one: the device retransmits it, later each time.
 */
public final class UnregisteredRateLimit implements MessageInterceptor {
    private final RegistrationStore registrations;
    private final IdentityHandler identities;
    private final RequestRate rate;
    private final RefusalLog refusals;

    private UnregisteredRateLimit(
            RegistrationStore registrations, IdentityHandler identities, RequestRate rate, RefusalLog refusals) {
        this.registrations = registrations;
        this.identities = identities;
        this.rate = rate;
        this.refusals = refusals;
    }

    /**
     * Limits the requests that an endpoint accepts.
     *
     * @param identities determines the identities of this endpoint's peers, as Leshan does
     * @param perSecond requests of one IP address
     */
    public static void install(CoapEndpoint endpoint, RegistrationStore registrations, IdentityHandler identities,
            int perSecond, RefusalLog refusals) {
        endpoint.addInterceptor(new UnregisteredRateLimit(
                registrations, identities, new RequestRate(perSecond, System::nanoTime), refusals));
    }

    @Override
    public void receiveRequest(Request request) {
        if (LimitedStack.registration(request, registrations, identities) == null
                && !rate.admits(request.getSourceContext().getPeerAddress().getAddress())) {
            refusals.refused("too many requests of an address without a registration", request);
            request.setCanceled(true);
        }
    }
}
