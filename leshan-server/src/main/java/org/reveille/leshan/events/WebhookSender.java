package org.reveille.leshan.events;

import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.EmptyWebhookSecretException;
import com.standardwebhooks.exceptions.WebhookSigningException;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Posts what waits, one post at a time, so that everything arrives in order. */
final class WebhookSender implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(WebhookSender.class);
    private static final long LONGEST_PAUSE_MS = 60_000;
    /** So many events alone that are refused, and nothing that is taken, say that it is not the events. */
    private static final int REFUSED_IN_A_ROW = 20;
    /** These say that it is the event: a receiver that reads events is no wrong address, however many are bad. */
    private static final Set<Integer> OF_THE_EVENT = Set.of(400, 413, 422);
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final Duration ANSWER = Duration.ofSeconds(30);

    private final Outbox outbox;
    private final HttpRequest.Builder base;
    private final List<Webhook> signers;
    /** HTTP/1.1: otherwise every post would offer an upgrade to HTTP/2, which some receivers trip over. */
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(CONNECT).build();
    private final Semaphore news = new Semaphore(1);
    private final Thread thread = new Thread(this::run, "webhook");

    private int most = Outbox.MOST_IN_A_POST;
    private boolean split;
    private int failures;
    private int refusedInARow;
    /** The event that was refused alone has had its second attempt, a minute later. */
    private boolean triedAgain;
    private volatile boolean closed;
    private volatile long delivered;
    private volatile boolean stopped;
    private volatile String trouble;

    WebhookSender(Outbox outbox, Outbox.Options options) {
        this.outbox = outbox;
        this.base = request(options);
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
        if (news.availablePermits() == 0) {
            news.release();
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

    String trouble() {
        return trouble;
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
                List<Event> batch = outbox.nextBatch(split, most);
                if (batch.isEmpty()) {
                    news.acquire();
                    news.drainPermits();
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
                pause(pauseMillis());
            } catch (RuntimeException unforeseen) {
                // It would end the thread, and nothing be posted any more without a word.
                LOG.error("a post could not be made", unforeseen);
                failed("a post could not be made: " + unforeseen);
                pause(pauseMillis());
            }
        }
    }

    private void post(List<Event> batch) throws InterruptedException {
        HttpResponse<String> answer;
        try {
            answer = http.send(request(batch), HttpResponse.BodyHandlers.ofString());
        } catch (IOException noAnswer) {
            failed("no answer: " + noAnswer);
            pause(pauseMillis());
            return;
        }
        int status = answer.statusCode();
        if (status / 100 == 2) {
            taken(batch);
        } else if (status == 401) {
            refusedAll(status, "secret or token are wrong");
        } else if (status / 100 == 4 && status != 408 && status != 425 && status != 429) {
            refused(batch, answer);
        } else {
            failed("answered " + status);
            pause(Math.max(pauseMillis(), retryAfterMillis(answer)));
        }
    }

    private void taken(List<Event> batch) {
        outbox.delivered(batch);
        delivered += batch.size();
        if (trouble != null) {
            LOG.warn("the webhook takes events again");
        }
        addressIsRight();
        split = false;
        most = Math.min(Outbox.MOST_IN_A_POST, most * 2);
    }

    /** One of them is bad: half as many are tried until it is alone. */
    private void refused(List<Event> batch, HttpResponse<String> answer) {
        failures = 0;
        split = batch.size() > 1;
        if (split) {
            most = batch.size() / 2;
            return;
        }
        if (OF_THE_EVENT.contains(answer.statusCode())) {
            addressIsRight();
        } else if (mayBeElsewhere(answer.statusCode())) {
            return;
        }
        outbox.setAside(batch.get(0), answer.statusCode(), start(answer.body()));
    }

    /** Of 20 events in a row that are refused so, each has a second attempt a minute later. */
    private boolean mayBeElsewhere(int status) {
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

    private void addressIsRight() {
        failures = 0;
        refusedInARow = 0;
        triedAgain = false;
        trouble = null;
        stopped = false;
    }

    /** It is we whom it does not take, and not the events: splitting would not help. */
    private void refusedAll(int status, String why) {
        if (!stopped) {
            LOG.error("the webhook answers {}: {}. One attempt a minute from now on", status, why);
        }
        trouble = "answered " + status + ": " + why;
        stopped = true;
        pause(LONGEST_PAUSE_MS);
    }

    private void failed(String why) {
        if (trouble == null) {
            LOG.warn("the webhook takes nothing, it is tried again: {}", why);
        }
        trouble = why;
        failures++;
    }

    /** 1 to 60 s, doubled with each failure, of which up to a half is left to chance. */
    private long pauseMillis() {
        long longest = Math.min(LONGEST_PAUSE_MS, 1000L << Math.min(failures, 6));
        return longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2 + 1);
    }

    private static long retryAfterMillis(HttpResponse<?> answer) {
        String seconds = answer.headers().firstValue("Retry-After").orElse("");
        return seconds.matches("\\d{1,4}") ? Math.min(LONGEST_PAUSE_MS, Long.parseLong(seconds) * 1000) : 0;
    }

    private void pause(long millis) {
        try {
            TimeUnit.MILLISECONDS.sleep(millis);
        } catch (InterruptedException end) {
            thread.interrupt();
        }
    }

    private static HttpRequest.Builder request(Outbox.Options options) {
        HttpRequest.Builder request = HttpRequest.newBuilder(options.webhook()).timeout(ANSWER)
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
