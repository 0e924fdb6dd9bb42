package org.reveille.leshan.devices;

import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * The result of a firmware download. Devices download over HTTP from this machine only: they are made for tests, and a
 * server's value of 5/0/1 must not lead them to other hosts.
 *
 * @param bytes the package, or null
 * @param result 0, or the reason of the failure as a value of resource 5/0/5
 */
record Download(byte[] bytes, long result) {
    static final long TOO_LARGE = 2;
    static final long CONNECTION_LOST = 4;
    static final long INVALID_URI = 7;
    static final long UNSUPPORTED_PROTOCOL = 9;
    static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Set<String> HERE = Set.of("127.0.0.1", "localhost", "[::1]");

    /**
     * Defines how a device downloads.
     *
     * @param limit bytes, the size of the largest package
     * @param millis the time over which it reads a package
     * @param patience the deadline of the whole download, in addition to that time
     * @param resumes how often an interrupted download is resumed
     * @param interrupted whether the connection breaks when half of the package has arrived
     * @param resumed is called at each resumption
     */
    record Plan(int limit, long millis, Duration patience, int resumes, boolean interrupted, Runnable resumed) {
    }

    /** Returns 0 if an address can be downloaded from, or the reason as a value of resource 5/0/5. */
    static long problem(String uri) {
        URI parsed;
        try {
            parsed = new URI(uri);
        } catch (URISyntaxException e) {
            return INVALID_URI;
        }
        if (parsed.getScheme() == null || parsed.getHost() == null) {
            return INVALID_URI;
        }
        if (!"http".equalsIgnoreCase(parsed.getScheme())) {
            return UNSUPPORTED_PROTOCOL;
        }
        return HERE.contains(parsed.getHost()) ? 0 : INVALID_URI;
    }

    /** Begins a download; the future always completes with a value. */
    static CompletableFuture<Download> begin(String uri, Plan plan) {
        long problem = problem(uri);
        return problem == 0 ? new HttpDownload(URI.create(uri), plan).begin()
                : CompletableFuture.completedFuture(new Download(null, problem));
    }
}
