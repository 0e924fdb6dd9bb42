package org.reveille.leshan.monitoring;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The metrics of `/metrics` in Prometheus' text form. Each part of the server counts here; names begin with
 * {@code leshan_}. Thread-safe.
 */
public final class Metrics {
    private static final Duration[] LATENCIES = {Duration.ofMillis(5), Duration.ofMillis(20), Duration.ofMillis(100),
        Duration.ofMillis(500), Duration.ofSeconds(2), Duration.ofSeconds(10), Duration.ofSeconds(60)};

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final AtomicInteger openCalls = new AtomicInteger();
    private final Map<String, AtomicLong> values = new ConcurrentHashMap<>();
    // Used for each request: building a meter's name and tags to look it up takes longer than counting.
    private final Map<Integer, Counter> responses = new ConcurrentHashMap<>();
    private final Map<String, Timer> latencies = new ConcurrentHashMap<>();
    private final Map<String, Counter> events = new ConcurrentHashMap<>();
    private final Timer storeWrites = Timer.builder("leshan.store.write")
            .description("Writes of the store, from the request to the commit").serviceLevelObjectives(LATENCIES)
            .register(registry);

    public Metrics() {
        new JvmMemoryMetrics().bindTo(registry);
        new JvmThreadMetrics().bindTo(registry);
        // Never closed: it lasts as long as the process.
        new JvmGcMetrics().bindTo(registry);
        new FileDescriptorMetrics().bindTo(registry);
        new ProcessorMetrics().bindTo(registry);
        new UptimeMetrics().bindTo(registry);
        gauge("leshan.calls.open", "Calls of the REST API that wait for a device", openCalls::get);
    }

    /**
     * Counts a call as open until its future is done, then by its outcome, with its duration.
     *
     * @param outcome a fixed code, one of few, each one a series
     */
    public <T> CompletableFuture<T> call(CompletableFuture<T> call, Function<T, String> outcome) {
        openCalls.incrementAndGet();
        Timer.Sample started = Timer.start(registry);
        return call.whenComplete((answer, error) -> {
            openCalls.decrementAndGet();
            started.stop(latency(error == null ? outcome.apply(answer) : "UNEXPECTED"));
        });
    }

    /** Counts a published event by its name. */
    public void event(String name) {
        events.computeIfAbsent(name, each -> Counter.builder("leshan.events").description("Published events")
                .tag("event", each).register(registry)).increment();
    }

    /**
     * Counts a post to the webhook by its outcome, with its duration.
     *
     * @param outcome a fixed code, one of few, each one a series
     */
    public void post(String outcome, Duration duration) {
        Timer.builder("leshan.webhook.posts").description("Posts to the webhook, from the connection to the whole answer")
                .tag("outcome", outcome).serviceLevelObjectives(LATENCIES).register(registry).record(duration);
    }

    /** Increments a counter; {@code name} with dots, without `_total`; {@code tags} are names and values, few and fixed ones. */
    public void count(String name, String description, String... tags) {
        Counter.builder(name).description(description).tags(tags).register(registry).increment();
    }

    /** Counts a registration that was refused; {@code reason} is one of few codes. */
    public void refusedRegistration(String reason) {
        count("leshan.registrations.refused", "Registrations refused by a rule of the server", "reason", reason);
    }

    /** Counts a response of the web server. */
    public void http(int status) {
        responses.computeIfAbsent(status, each -> Counter.builder("leshan.http.responses")
                .description("Responses of the REST API by status").tag("status", String.valueOf(each))
                .register(registry)).increment();
    }

    /** Records a write of the store, from the request until it was committed or had failed; in nanoseconds. */
    public void storeWrite(long nanos) {
        storeWrites.record(nanos, TimeUnit.NANOSECONDS);
    }

    /** Sets a gauge, which is created at the first call. */
    public void set(String name, String description, long value) {
        values.computeIfAbsent(name, made -> {
            AtomicLong last = new AtomicLong();
            gauge(name, description, last::get);
            return last;
        }).set(value);
    }

    /** Adds to a counter; {@code name} with dots, without `_total`. */
    public void count(String name, String description, double amount) {
        Counter.builder(name).description(description).register(registry).increment(amount);
    }

    /** Adds a value that is read at each scrape; {@code name} with dots and its unit, without `_total`. */
    public void gauge(String name, String description, Supplier<Number> value) {
        Gauge.builder(name, value).description(description).strongReference(true).register(registry);
    }

    /** Returns all metrics as text of {@link #CONTENT_TYPE}. */
    public String text() {
        return registry.scrape();
    }

    /** The media type of {@link #text}. */
    public static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private Timer latency(String outcome) {
        return latencies.computeIfAbsent(outcome, each -> Timer.builder("leshan.calls")
                .description("Calls of the REST API to devices, from request to answer")
                .tag("outcome", each).serviceLevelObjectives(LATENCIES).register(registry));
    }
}
