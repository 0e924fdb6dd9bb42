package org.reveille.leshan.coap;

import java.time.Duration;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Counts the bytes of unfinished block-wise uploads, in total and for each peer, and refuses uploads that would exceed
 * the limits. A reservation that is neither renewed nor released expires. Thread-safe.
 */
final class UploadBudget {
    private record Reservation(Object peer, long bytes, long renewedAt) {
    }

    private final long total;
    private final long perPeer;
    private final Duration lifetime;
    private final LongSupplier nanoTime;
    /** By upload, the least recently renewed one first. */
    private final Map<Object, Reservation> reservations = new LinkedHashMap<>();
    private final Map<Object, Long> byPeer = new HashMap<>();
    private long reserved;

    /**
     * Creates a budget.
     *
     * @param total bytes of all uploads together
     * @param perPeer bytes of one peer's uploads together
     * @param lifetime how long a reservation lasts without renewal
     * @param nanoTime a monotonic clock, such as {@code System::nanoTime}
     */
    UploadBudget(long total, long perPeer, Duration lifetime, LongSupplier nanoTime) {
        this.total = total;
        this.perPeer = perPeer;
        this.lifetime = lifetime;
        this.nanoTime = nanoTime;
    }

    /** Returns the time after which a refused peer can reserve memory again, unless others have reserved it. */
    Duration lifetime() {
        return lifetime;
    }

    /**
     * Reserves memory for an upload that begins; an upload that begins again replaces its own reservation.
     *
     * @param upload equal for all of its blocks
     * @return false if it would exceed a limit: then nothing is reserved
     */
    synchronized boolean reserve(Object upload, Object peer, long bytes) {
        releaseExpired();
        Reservation own = reservations.get(upload);
        long ownBytes = own == null ? 0 : own.bytes();
        long peerBytes = byPeer.getOrDefault(peer, 0L);
        if (reserved - ownBytes + bytes > total || peerBytes - ownBytes + bytes > perPeer) {
            return false;
        }
        release(upload);
        reservations.put(upload, new Reservation(peer, bytes, nanoTime.getAsLong()));
        byPeer.merge(peer, bytes, Long::sum);
        reserved += bytes;
        return true;
    }

    /** Extends a reservation by another lifetime; does nothing if there is none. */
    synchronized void renew(Object upload) {
        Reservation own = reservations.remove(upload);
        if (own != null) {
            reservations.put(upload, new Reservation(own.peer(), own.bytes(), nanoTime.getAsLong()));
        }
    }

    /** Ends a reservation; does nothing if there is none. */
    synchronized void release(Object upload) {
        Reservation own = reservations.remove(upload);
        if (own != null) {
            subtract(own);
        }
    }

    /** Returns the number of reserved bytes. */
    synchronized long reserved() {
        releaseExpired();
        return reserved;
    }

    private void releaseExpired() {
        long now = nanoTime.getAsLong();
        for (Iterator<Reservation> oldest = reservations.values().iterator(); oldest.hasNext();) {
            Reservation reservation = oldest.next();
            if (now - reservation.renewedAt() < lifetime.toNanos()) {
                return;
            }
            oldest.remove();
            subtract(reservation);
        }
    }

    private void subtract(Reservation ended) {
        reserved -= ended.bytes();
        byPeer.computeIfPresent(ended.peer(), (peer, bytes) -> bytes == ended.bytes() ? null : bytes - ended.bytes());
    }
}
