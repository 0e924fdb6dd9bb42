package org.reveille.leshan.events;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.leshan.server.queue.ClientAwakeTimeProvider;
import org.eclipse.leshan.server.registration.Registration;

/**
 * How long clients in queue mode stay awake after each contact: as the attribute `at` of their registration says
 * (milliseconds, as Leshan's client sends it), otherwise the server's own time.
 *
 * <p>Leshan's presence service asks this at every contact, so this is also where a contact is known that no listener is
 * told of: a device's answer. To be given to {@code LeshanServerBuilder.setClientAwakeTimeProvider}.
 */
public final class Contacts implements ClientAwakeTimeProvider {
    /** Why a client counts as awake. */
    public enum Cause { REGISTRATION, UPDATE, NOTIFICATION, SEND, ANSWER }

    /**
     * The newest contact with a client.
     *
     * @param lastUpdate of its registration as it was then, milliseconds
     * @param until when it ends, milliseconds since the epoch, to be told: it is not compared with the system's clock,
     *     which may have been set meanwhile
     * @param heardAt of {@code System.nanoTime}
     * @param millis how long it lasts from then on
     */
    public record Contact(
            String registrationId, long lastUpdate, long until, Cause cause, long heardAt, int millis) {
        /** Whether the client still counts as awake, by more than so many milliseconds. */
        boolean lasts(int slackMillis) {
            return remainingMillis() > slackMillis;
        }

        private long remainingMillis() {
            return millis - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - heardAt);
        }
    }

    /** Is told of contacts by an answer, which no listener of Leshan is told of. */
    @FunctionalInterface
    interface AnswerListener {
        void answered(Registration client, Contact contact);
    }

    private static final String AWAKE_TIME = "at";
    private static final int LONGEST_MS = 24 * 3600 * 1000;

    private final int awakeMillis;
    private final Map<String, Contact> byEndpoint = new ConcurrentHashMap<>();
    /** When the calls that are open began, of {@code System.nanoTime}, by registration. */
    private final Map<String, Long> calls = new ConcurrentHashMap<>();
    private final ThreadLocal<Cause> cause = new ThreadLocal<>();
    private final ThreadLocal<Contact> resumed = new ThreadLocal<>();
    private volatile AnswerListener listener = (client, contact) -> { };

    /** @param awakeMillis of clients which do not say it themselves */
    public Contacts(int awakeMillis) {
        this.awakeMillis = awakeMillis;
    }

    /** Called by Leshan at each contact with a client in queue mode. */
    @Override
    public int getClientAwakeTime(Registration client) {
        if (resumed.get() != null) {
            return (int) Math.max(1, resumed.get().remainingMillis());
        }
        int millis = millis(client);
        long now = System.currentTimeMillis();
        Contact contact = byEndpoint.compute(client.getEndpoint(), (name, last) -> new Contact(client.getId(),
                client.getLastUpdate().getTime(), now + millis, causeOf(client, last), System.nanoTime(), millis));
        if (contact.cause() == Cause.ANSWER) {
            listener.answered(client, contact);
        }
        return millis;
    }

    /** The newest contact with this registration, or null when there was none. */
    public Contact of(Registration client) {
        Contact contact = byEndpoint.get(client.getEndpoint());
        return contact != null && contact.registrationId().equals(client.getId()) ? contact : null;
    }

    /**
     * Says that a call to a client begins: a device that is heard from now on is awake, also if it does not answer the
     * call. One at a time for a registration.
     */
    public void callBegins(Registration client) {
        calls.put(client.getId(), System.nanoTime());
    }

    /** Says that a call has ended, and how is told. */
    public void callEnds(Registration client) {
        calls.remove(client.getId());
    }

    boolean heardSinceCallBegan(Registration client) {
        Long began = calls.get(client.getId());
        Contact last = byEndpoint.get(client.getEndpoint());
        return began != null && last != null && last.heardAt() - began > 0;
    }

    /** Does something that makes a client count as awake again until its newest contact ends, and is no contact. */
    void resume(Registration client, Runnable setAwake) {
        Contact last = of(client);
        if (last == null) {
            return;
        }
        resumed.set(last);
        try {
            setAwake.run();
        } finally {
            resumed.remove();
        }
    }

    void onAnswer(AnswerListener told) {
        listener = told;
    }

    /** Does something that makes a client count as awake, and says why. */
    void because(Cause why, Runnable setAwake) {
        cause.set(why);
        try {
            setAwake.run();
        } finally {
            cause.remove();
        }
    }

    void forget(Registration client) {
        byEndpoint.computeIfPresent(client.getEndpoint(),
                (name, last) -> last.registrationId().equals(client.getId()) ? null : last);
    }

    /** Leshan's own listener of registrations comes before ours and cannot say why: the registration tells it. */
    private Cause causeOf(Registration client, Contact last) {
        Cause said = cause.get();
        if (said != null) {
            return said;
        }
        if (last == null || !last.registrationId().equals(client.getId())) {
            return Cause.REGISTRATION;
        }
        return client.getLastUpdate().getTime() > last.lastUpdate() ? Cause.UPDATE : Cause.ANSWER;
    }

    private int millis(Registration client) {
        String said = client.getAdditionalRegistrationAttributes().get(AWAKE_TIME);
        if (said == null || !said.matches("[1-9]\\d{0,8}")) {
            return awakeMillis;
        }
        return Math.min(LONGEST_MS, Integer.parseInt(said));
    }
}
