package org.reveille.leshan.events;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.eclipse.leshan.server.queue.ClientAwakeTimeProvider;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Determines how long clients in queue mode stay awake after each contact: the value of the attribute `at` of their
 * registration (milliseconds, as Leshan's client sends it), otherwise the server's own time.
 *
 * <p>Leshan's presence service calls this at every contact, so this class also learns of contacts that are reported to
 * no listener: a device's response. It must be passed to {@code LeshanServerBuilder.setClientAwakeTimeProvider}.
 */
public final class Contacts implements ClientAwakeTimeProvider {
    /** Reason why a client counts as awake. */
    public enum Cause { REGISTRATION, UPDATE, NOTIFICATION, SEND, ANSWER }

    /**
     * The newest contact with a client.
     *
     * @param lastUpdate of its registration at that time, milliseconds
     * @param until when it ends, milliseconds since the epoch, for display: it is not compared with the system's clock,
     *     which may have been set meanwhile
     * @param receivedAt of {@code System.nanoTime}
     * @param millis how long it lasts from then on
     */
    public record Contact(
            String registrationId, long lastUpdate, long until, Cause cause, long receivedAt, int millis) {
        /** Returns whether the client still counts as awake for more than the given milliseconds. */
        boolean lasts(int slackMillis) {
            return remainingMillis() > slackMillis;
        }

        private long remainingMillis() {
            return millis - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - receivedAt);
        }
    }

    /** Receives contacts by a response, which Leshan reports to none of its listeners. */
    @FunctionalInterface
    interface AnswerListener {
        void answered(Registration client, Contact contact);
    }

    private static final String AWAKE_TIME = "at";
    private static final int LONGEST_MS = 24 * 3600 * 1000;

    private final int awakeMillis;
    private final Map<String, Contact> byEndpoint = new ConcurrentHashMap<>();
    /** Start times of the open calls, of {@code System.nanoTime}, by registration. */
    private final Map<String, Long> calls = new ConcurrentHashMap<>();
    private final ThreadLocal<Cause> cause = new ThreadLocal<>();
    private final ThreadLocal<Contact> resumed = new ThreadLocal<>();
    private volatile AnswerListener listener = (client, contact) -> { };

    /**
     * Creates the provider.
     *
     * @param awakeMillis for clients whose registration does not contain it
     */
    public Contacts(int awakeMillis) {
        this.awakeMillis = awakeMillis;
    }

    /** Returns the awake time. Leshan calls it at each contact with a client in queue mode. */
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

    /** Returns the newest contact with this registration, or null if there was none. */
    public Contact of(Registration client) {
        Contact contact = byEndpoint.get(client.getEndpoint());
        return contact != null && contact.registrationId().equals(client.getId()) ? contact : null;
    }

    /**
     * Records that a call to a client begins: a device that sends a message from now on is awake, even if it does not
     * answer the call. At most one call at a time for a registration.
     */
    public void callBegins(Registration client) {
        calls.put(client.getId(), System.nanoTime());
    }

    /** Records that a call has ended and its result is reported. */
    public void callEnds(Registration client) {
        calls.remove(client.getId());
    }

    boolean receivedSinceCallBegan(Registration client) {
        Long began = calls.get(client.getId());
        Contact last = byEndpoint.get(client.getEndpoint());
        return began != null && last != null && last.receivedAt() - began > 0;
    }

    /** Runs an action that makes a client count as awake again until its newest contact ends, and is not a contact itself. */
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

    void onAnswer(AnswerListener answerListener) {
        listener = answerListener;
    }

    /** Runs an action that makes a client count as awake for the given reason. */
    void withCause(Cause why, Runnable setAwake) {
        cause.set(why);
        try {
            setAwake.run();
        } finally {
            cause.remove();
        }
    }

    void remove(Registration client) {
        byEndpoint.computeIfPresent(client.getEndpoint(),
                (name, last) -> last.registrationId().equals(client.getId()) ? null : last);
    }

    /**
     * Returns the cause of a contact. Leshan's own listener of registrations is called before ours and cannot pass a
     * cause, so it is derived from the registration.
     */
    private Cause causeOf(Registration client, Contact last) {
        Cause given = cause.get();
        if (given != null) {
            return given;
        }
        if (last == null || !last.registrationId().equals(client.getId())) {
            return Cause.REGISTRATION;
        }
        return client.getLastUpdate().getTime() > last.lastUpdate() ? Cause.UPDATE : Cause.ANSWER;
    }

    private int millis(Registration client) {
        String attribute = client.getAdditionalRegistrationAttributes().get(AWAKE_TIME);
        if (attribute == null || !attribute.matches("[1-9]\\d{0,8}")) {
            return awakeMillis;
        }
        return Math.min(LONGEST_MS, Integer.parseInt(attribute));
    }
}
