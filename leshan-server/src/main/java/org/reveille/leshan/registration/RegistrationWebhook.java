package org.reveille.leshan.registration;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.reveille.leshan.LimitedBody;
import org.reveille.leshan.json.Json;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A client of an HTTP service that decides which devices may register: one POST for each, whose status is the decision.
 * Decisions are cached; an expired one is used while the service cannot be reached. Thread-safe.
 */
public final class RegistrationWebhook implements AutoCloseable {
    /** The decision about a registration. */
    public enum Decision {
        /** 2xx. */
        ALLOWED,
        /** 403. */
        REFUSED,
        /** Any other status, or no response, and there is no earlier decision. */
        UNKNOWN
    }

    /**
     * Options of the calls to the service.
     *
     * @param url where to post
     * @param token for the header `Authorization: Bearer`, or null
     * @param server this server's name, which is posted
     * @param cache how long a decision is used without another post
     */
    public record Options(URI url, String token, String server, Duration cache) {
    }

    /**
     * A device that requests a registration.
     *
     * @param endpoint the name in its request, or null: its identity is its name
     * @param identity its authenticated identity (DTLS), or null without security
     * @param attributes the other parameters of the request, unchanged
     */
    public record Device(String endpoint, String identity, String address, int port, Map<String, String> attributes) {
        /** Returns the cache key. The address is not part of it: that of a device behind a NAT changes. */
        private String key() {
            return endpoint + "\n" + identity;
        }
    }

    /** A cached decision, and when it expires. */
    private record Known(Decision decision, long until) {
    }

    private static final Logger LOG = LoggerFactory.getLogger(RegistrationWebhook.class);
    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    /** The body of a response is not used: it is read so that the connection can be reused. */
    private static final int MAX_RESPONSE_BYTES = 8 << 10;
    private static final int MOST_AT_ONCE = 8;
    private static final int MOST_WAITING = 1_000;
    private static final int MOST_KNOWN = 10_000;
    private static final int FORBIDDEN = 403;

    private final Options options;
    private final Duration timeout;
    private final LongSupplier nanos;
    private final Consumer<Decision> counter;
    private final HttpClient http;
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(MOST_AT_ONCE, MOST_AT_ONCE, 1, TimeUnit.MINUTES,
            new ArrayBlockingQueue<>(MOST_WAITING), RegistrationWebhook::thread);
    private final Map<String, Known> known = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Known> eldest) {
            return size() > MOST_KNOWN;
        }
    };
    private final Map<String, CompletableFuture<Decision>> pending = new HashMap<>();
    private volatile boolean failing;

    /**
     * Creates a client.
     *
     * @param counter receives the result of each post
     */
    public RegistrationWebhook(Options options, Consumer<Decision> counter) {
        this(options, counter, TIMEOUT, System::nanoTime);
    }

    /**
     * Creates a client with a timeout and a clock.
     *
     * @param timeout how long a post may take, and how long it may wait to be sent
     */
    RegistrationWebhook(Options options, Consumer<Decision> counter, Duration timeout, LongSupplier nanos) {
        this.options = options;
        this.counter = counter;
        this.timeout = timeout;
        this.nanos = nanos;
        this.http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(timeout).build();
        threads.allowCoreThreadTimeOut(true);
    }

    /**
     * Decides about a device.
     *
     * @return completed already if a cached decision has not expired; otherwise completes on another thread within
     *     twice the timeout, 10 s. Never fails
     */
    public CompletableFuture<Decision> decide(Device device) {
        CompletableFuture<Decision> decision = new CompletableFuture<>();
        synchronized (known) {
            Known before = known.get(device.key());
            if (before != null && nanos.getAsLong() - before.until() < 0) {
                return CompletableFuture.completedFuture(before.decision());
            }
            CompletableFuture<Decision> running = pending.putIfAbsent(device.key(), decision);
            if (running != null) {
                return running;
            }
        }
        long latest = nanos.getAsLong() + timeout.toNanos();
        try {
            threads.execute(() -> {
                Decision found = Decision.UNKNOWN;
                try {
                    found = nanos.getAsLong() - latest < 0 ? post(device) : found;
                } finally {
                    finish(device, decision, found);
                }
            });
        } catch (RejectedExecutionException tooMany) {
            finish(device, decision, Decision.UNKNOWN);
        }
        return decision;
    }

    private void finish(Device device, CompletableFuture<Decision> future, Decision found) {
        counter.accept(found);
        Decision decision = found;
        synchronized (known) {
            pending.remove(device.key());
            if (found == Decision.UNKNOWN) {
                Known before = known.get(device.key());
                decision = before == null ? found : before.decision();
            } else {
                known.put(device.key(), new Known(found, nanos.getAsLong() + options.cache().toNanos()));
            }
        }
        future.complete(decision);
    }

    private Decision post(Device device) {
        try {
            int status = LimitedBody.exchange(http, request(device), MAX_RESPONSE_BYTES, timeout).statusCode();
            if (status / 100 == 2 || status == FORBIDDEN) {
                report(null);
                return status == FORBIDDEN ? Decision.REFUSED : Decision.ALLOWED;
            }
            report("it answered " + status);
        } catch (TimeoutException slow) {
            report("no answer in " + timeout.toMillis() + " ms");
        } catch (ExecutionException failure) {
            report(String.valueOf(failure.getCause()));
        } catch (CancellationException ended) {
            report("the post was canceled");
        } catch (InterruptedException ending) {
            Thread.currentThread().interrupt();
        }
        return Decision.UNKNOWN;
    }

    /** Logs one line when a failure begins, and one when it ends. */
    private void report(String problem) {
        if (problem != null && !failing) {
            LOG.warn("the registration webhook gives no decision: {}. Devices without an earlier decision are "
                    + "answered 5.03", problem);
        } else if (problem == null && failing) {
            LOG.warn("the registration webhook gives decisions again");
        }
        failing = problem != null;
    }

    private HttpRequest request(Device device) {
        ObjectNode body = Json.object().put("server", options.server()).put("endpoint", device.endpoint())
                .put("secure", device.identity() != null).put("identity", device.identity())
                .put("address", device.address()).put("port", device.port());
        ObjectNode attributes = body.putObject("attributes");
        device.attributes().forEach(attributes::put);
        HttpRequest.Builder request = HttpRequest.newBuilder(options.url()).timeout(timeout)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(body)));
        if (options.token() != null) {
            request.header("Authorization", "Bearer " + options.token());
        }
        return request.build();
    }

    /** Returns the code for a decision in metrics. */
    public static String word(Decision decision) {
        return decision.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }

    private static Thread thread(Runnable work) {
        Thread thread = new Thread(work, "registration-webhook");
        thread.setDaemon(true);
        return thread;
    }
}
