package org.reveille.leshan.coap;

/**
 * Limits of the memory that peers can occupy while they upload a body block by block (RFC 7959).
 *
 * @param largest bytes, the largest body of a registered client
 * @param largestUnregistered bytes, the largest body of a peer without a registration, which is that of a registration
 * @param total bytes of registered clients' unfinished bodies together
 * @param totalUnregistered bytes of the others' unfinished bodies together
 */
public record UploadLimits(int largest, int largestUnregistered, long total, long totalUnregistered) {
    /** Bytes of an unfinished upload besides its body: its first request, its exchange and their keys. */
    static final int OVERHEAD = 2_048;
    /** Maximum number of unfinished uploads of the largest size for one registered client: a Send and an update. */
    static final int UPLOADS_PER_CLIENT = 2;
    /** Maximum number of unfinished uploads of the largest size for all peers without a registration together. */
    private static final int UNREGISTERED_UPLOADS = 256;
    /** Divisor of the heap for registered clients' unfinished bodies. */
    private static final int SHARE_OF_HEAP = 8;

    /** Derives the totals from the sizes and the heap. */
    public static UploadLimits of(int largest, int largestUnregistered) {
        int unregistered = Math.min(largest, largestUnregistered);
        return new UploadLimits(largest, unregistered,
                Math.max(UPLOADS_PER_CLIENT * cost(largest), Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP),
                UNREGISTERED_UPLOADS * cost(unregistered));
    }

    static long cost(int bodyBytes) {
        return (long) bodyBytes + OVERHEAD;
    }
}
