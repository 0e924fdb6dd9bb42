package org.reveille.leshan.server;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;

/** Records since when clients in queue mode sleep. */
final class SleepTimes implements PresenceListener, RegistrationListener {
    private final Map<String, Long> byRegistration = new ConcurrentHashMap<>();

    /** Returns the milliseconds since the epoch until which the client counted as awake, or null if this is unknown. */
    Long awakeUntil(Registration client) {
        return byRegistration.get(client.getId());
    }

    @Override
    public void onSleeping(Registration client) {
        byRegistration.put(client.getId(), System.currentTimeMillis());
    }

    @Override
    public void onAwake(Registration client) {
        byRegistration.remove(client.getId());
    }

    @Override
    public void unregistered(Registration client, Collection<Observation> observations, boolean expired,
            Registration next) {
        byRegistration.remove(client.getId());
    }

    @Override
    public void registered(Registration client, Registration previous, Collection<Observation> observations) {
        // A separate notification reports that it is awake.
    }

    @Override
    public void updated(RegistrationUpdate update, Registration client, Registration previous) {
        // A separate notification reports that it is awake.
    }
}
