package org.reveille.leshan.server;

import java.util.List;
import java.util.TreeMap;
import org.eclipse.leshan.server.registration.Registration;

/** Selects the first clients by endpoint name of all that are offered, in any order. */
final class Page {
    private final int limit;
    private final String after;
    private final TreeMap<String, Registration> first = new TreeMap<>();

    /**
     * Creates an empty page.
     *
     * @param after selects only names after this one, or null for all
     */
    Page(int limit, String after) {
        this.limit = limit;
        this.after = after;
    }

    void offer(Registration client) {
        String name = client.getEndpoint();
        if (after != null && name.compareTo(after) <= 0) {
            return;
        }
        if (first.size() < limit) {
            first.put(name, client);
        } else if (name.compareTo(first.lastKey()) < 0) {
            first.pollLastEntry();
            first.put(name, client);
        }
    }

    /** Returns the clients in the order of their names, which is that of their UTF-16 code units. */
    List<Registration> clients() {
        return List.copyOf(first.values());
    }
}
