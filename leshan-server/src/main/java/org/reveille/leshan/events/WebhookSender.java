package org.reveille.leshan.events;

import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.EmptyWebhookSecretException;
import com.standardwebhooks.exceptions.WebhookSigningException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.reveille.leshan.LimitedBody;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Posts waiting events to the webhook, one post at a time, so that all arrive in order. */
final class WebhookSender implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);
    private static final long LONGEST_PAUSE_MS = 60_000;
    /** While the store fails, a longer pause would not relieve any receiver. */
    private static final long STORE_RETRY_MS = 1_000;
    /**
     * This number of events that are refused in posts of their own, with none accepted, indicates that the events are
     * not the cause.
     */
    private static final int REFUSED_IN_A_ROW = 20;
    /** These indicate that the event is the cause: a receiver that reads events is no wrong address, however many are bad. */
    private static final Set<Integer> EVENT_ERRORS = Set.of(400, 413, 422);
    private static final Duration CONNECT = Duration.ofSeconds(10);
    /** Only the status and the beginning of a refusal are used; the rest of a response is not read. */
    private static final int MAX_RESPONSE_BYTES = 8 << 10;

    private final DeliveryQueue queue;
    private final Duration timeout;
    private final BiConsumer<PostOutcome, Duration> posts;
    private final HttpRequest.Builder base;
    private final List<Webhook> signers;
    private final HttpClient http;
    private final Semaphore wakeUps = new Semaphore(1);
    private final Thread thread = new Thread(this::run, "webhook");

    private int most = EventLog.MOST_IN_A_READ;
    private boolean split;
    private int failures;
    private int refusedInARow;
    /** Whether the event that was refused in a post of its own has had its second attempt, a minute later. */
    private boolean triedAgain;
    private volatile boolean closed;
    private volatile long delivered;
    private volatile boolean stopped;
    private volatile String lastError;
    /** Nanoseconds of {@link System#nanoTime} at the first attempt since the receiver last accepted or refused an event. */
    private volatile Long failingSince;

    WebhookSender(DeliveryQueue queue, Outbox.Options options, BiConsumer<PostOutcome, Duration> posts) {
        this.queue = queue;
        this.timeout = options.timeout();
        this.posts = posts;
        this.base = request(options);
        this.http = client(options.tls());
        this.signers = options.secrets().stream().map(WebhookSender::signer).toList();
        thread.setDaemon(true);
        thread.start();
    }

    private static Webhook signer(String secret) {
        try {
            return new Webhook(secret);
        } catch (EmptyWebhookSecretException empty) {
            throw new IllegalArgumentException("the secret is empty", empty);
        }
    }

    void wake() {
        if (wakeUps.availablePermits() == 0) {
            wakeUps.release();
        }
    }

    long delivered() {
        return delivered;
    }

    boolean isAlive() {
        return thread.isAlive();
    }

    boolean stopped() {
        return stopped;
    }

    String lastError() {
        return lastError;
    }

    /** Returns for how long posts have failed, the current one included; 0 if none have. */
    Duration failing() {
        Long since = failingSince;
        return since == null ? Duration.ZERO : Duration.ofNanos(System.nanoTime() - since);
    }

    @Override
    public void close() throws InterruptedException {
        closed = true;
        thread.interrupt();
        thread.join();
    }

    private void run() {
        while (!closed) {
            try {
                List<Event> batch = queue.nextBatch(split, most);
                if (batch.isEmpty()) {
                    wakeUps.acquire();
                    wakeUps.drainPermits();
                } else {
                    post(batch);
                }
            } catch (InterruptedException end) {
                return;
            } catch (CompletionException unwritten) {
                if (closed) {
                    return;
                }
                failed("the outbox cannot be written: " + unwritten.getCause().getMessage());
                pause(STORE_RETRY_MS);
            } catch (RuntimeException unforeseen) {
                // It would end the thread, and posting would stop silently.
                LOG.error("a post could not be sent", unforeseen);
                failed("a post could not be sent: " + unforeseen);
                pause(pauseMillis());
            }
        }
    }

    private void post(List<Event> batch) throws InterruptedException {
        long started = System.nanoTime();
        if (failingSince == null) {
            failingSince = started;
        }
        HttpResponse<byte[]> answer;
        try {
            answer = LimitedBody.exchange(http, request(batch), MAX_RESPONSE_BYTES, timeout);
        } catch (TimeoutException late) {
            noAnswer(PostOutcome.TIMEOUT, started, "no complete answer within " + timeout.toMillis() / 1000.0 + " s");
            return;
        } catch (ExecutionException broken) {
            noAnswer(PostOutcome.FAILED, started, "no answer: " + broken.getCause());
            return;
        }
        PostOutcome outcome = PostOutcome.of(answer.statusCode());
        report(outcome, started);
        switch (outcome) {
            case TAKEN -> taken(batch);
            case UNAUTHORIZED -> refusedAll(answer.statusCode(), "the secret or the token is wrong");
            case REFUSED -> refused(batch, answer);
            default -> {
                failed("answered " + answer.statusCode());
                pause(Math.max(pauseMillis(), retryAfterMillis(answer)));
            }
        }
    }

    private void noAnswer(PostOutcome outcome, long started, String why) {
        report(outcome, started);
        failed(why);
        pause(pauseMillis());
    }

    private void report(PostOutcome outcome, long started) {
        posts.accept(outcome, Duration.ofNanos(System.nanoTime() - started));
    }

    private void taken(List<Event> batch) {
        queue.delivered(batch);
        delivered += batch.size();
        failingSince = null;
        if (lastError != null) {
            LOG.warn("the webhook accepts events again");
        }
        clearAddressDoubt();
        split = false;
        most = Math.min(EventLog.MOST_IN_A_READ, most * 2);
    }

    /** Handles a refusal of a post. One of its events is bad: the batch is halved until that event is in a post of its own. */
    private void refused(List<Event> batch, HttpResponse<byte[]> answer) {
        failures = 0;
        split = batch.size() > 1;
        if (split) {
            most = batch.size() / 2;
            return;
        }
        if (EVENT_ERRORS.contains(answer.statusCode())) {
            clearAddressDoubt();
        } else if (doubtAddress(answer.statusCode())) {
            return;
        }
        queue.refuse(batch.get(0), answer.statusCode(), start(new String(answer.body(), StandardCharsets.UTF_8)));
        failingSince = null;
    }

    /**
     * Handles such a refusal and returns whether the event is attempted again. After 20 events in a row that are
     * refused like this, each further one has a second attempt a minute later.
     */
    private boolean doubtAddress(int status) {
        boolean tooMany = refusedInARow >= REFUSED_IN_A_ROW;
        if (tooMany && !triedAgain) {
            triedAgain = true;
            refusedAll(status, "the address may be wrong");
            return true;
        }
        triedAgain = false;
        stopped = tooMany;
        refusedInARow++;
        return false;
    }

    private void clearAddressDoubt() {
        failures = 0;
        refusedInARow = 0;
        triedAgain = false;
        lastError = null;
        stopped = false;
    }

    /** Handles a refusal of the sender, not of the events: splitting would not help. */
    private void refusedAll(int status, String why) {
        if (!stopped) {
            LOG.error("the webhook answers {}: {}. One attempt per minute from now on", status, why);
        }
        lastError = "answered " + status + ": " + why;
        stopped = true;
        pause(LONGEST_PAUSE_MS);
    }

    private void failed(String why) {
        if (lastError == null) {
            LOG.warn("the webhook accepts nothing, retrying: {}", why);
        }
        lastError = why;
        failures++;
        if (failingSince == null) {
            failingSince = System.nanoTime();
        }
    }

    /** Returns the pause: 1 to 60 s, doubled with each failure, of which up to half is random. */
    private long pauseMillis() {
        long longest = Math.min(LONGEST_PAUSE_MS, 1000L << Math.min(failures, 6));
        return longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2 + 1);
    }

    private static long retryAfterMillis(HttpResponse<?> answer) {
        String seconds = answer.headers().firstValue("Retry-After").orElse("");
        return seconds.matches("\\d{1,9}") ? Math.min(LONGEST_PAUSE_MS, Long.parseLong(seconds) * 1000) : 0;
    }

    private void pause(long millis) {
        try {
            TimeUnit.MILLISECONDS.sleep(millis);
        } catch (InterruptedException end) {
            thread.interrupt();
        }
    }

    /** Returns an HTTP/1.1 client: otherwise every post would offer an upgrade to HTTP/2, which some receivers fail on. */
    private static HttpClient client(SSLContext tls) {
        HttpClient.Builder client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(CONNECT);
        return (tls == null ? client : client.sslContext(tls)).build();
    }

    private static HttpRequest.Builder request(Outbox.Options options) {
        HttpRequest.Builder request = HttpRequest.newBuilder(options.webhook())
                .header("Content-Type", "application/json; charset=utf-8")
                .header("User-Agent", "reveille-leshan-server");
        return options.token() == null ? request : request.header("Authorization", "Bearer " + options.token());
    }

    private HttpRequest request(List<Event> batch) {
        String body = batch.stream().map(Event::envelope).collect(Collectors.joining(",", "[", "]"));
        String id = batch.get(0).id() + "-" + batch.get(batch.size() - 1).seq();
        long seconds = System.currentTimeMillis() / 1000;
        HttpRequest.Builder request = base.copy().header("webhook-id", id)
                .header("webhook-timestamp", Long.toString(seconds));
        if (!signers.isEmpty()) {
            request.header("webhook-signature",
                    signers.stream().map(signer -> sign(signer, id, seconds, body)).collect(Collectors.joining(" ")));
        }
        return request.POST(HttpRequest.BodyPublishers.ofString(body, StandardCharsets.UTF_8)).build();
    }

    private static String sign(Webhook signer, String id, long seconds, String body) {
        try {
            return signer.sign(id, seconds, body);
        } catch (WebhookSigningException noHmac) {
            throw new IllegalStateException("this Java cannot sign", noHmac);
        }
    }

    private static String start(String text) {
        return text.length() > 500 ? text.substring(0, 500) : text;
    }
}
