package org.reveille.leshan.monitoring;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Response;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.store.Store;

class MonitoringTest {
    private final Metrics metrics = new Metrics();

    @Test
    void aCallIsOpenUntilItIsDoneAndThenCountedByItsOutcome() {
        CompletableFuture<String> call = new CompletableFuture<>();
        metrics.call(call, answer -> answer);
        assertTold("leshan_calls_open 1.0");
        call.complete("ANSWERED");
        assertTold("leshan_calls_open 0.0");
        assertTold("leshan_calls_seconds_count{outcome=\"ANSWERED\"} 1");
    }

    @Test
    void metricsContainEventsValuesAndTheMachine() {
        metrics.event("SEND");
        metrics.event("SEND");
        metrics.gauge("leshan.outbox.bytes", "Bytes that wait", () -> 7);
        assertTold("leshan_events_total{event=\"SEND\"} 2.0");
        assertTold("leshan_outbox_bytes 7.0");
        assertTold("jvm_threads_live_threads");
        assertTold("jvm_memory_used_bytes");
    }

    @Test
    void aPostToTheWebhookIsCountedByItsOutcomeWithItsDuration() {
        metrics.post("TIMEOUT", Duration.ofMillis(1_500));
        metrics.post("TAKEN", Duration.ofMillis(5));
        assertTold("leshan_webhook_posts_seconds_count{outcome=\"TAKEN\"} 1");
        assertTold("leshan_webhook_posts_seconds_sum{outcome=\"TIMEOUT\"} 1.5");
    }

    @Test
    void metricsContainGarbageCollectionFilesStoreAndErrors(@TempDir Path folder) throws Exception {
        for (String name : List.of("jvm_gc_", "process_files_open_files", "process_cpu_usage", "process_uptime_seconds")) {
            assertTold(name);
        }
        try (Store store = new Store(folder.resolve("state.db"))) {
            store.onWrite(metrics::storeWrite);
            store.write(connection -> null).get();
        }
        assertTold("leshan_store_write_seconds_count 1");
        metrics.http(404);
        assertTold("leshan_http_responses_total{status=\"404\"} 1.0");
        metrics.refusedRegistration("name");
        assertTold("leshan_registrations_refused_total{reason=\"name\"} 1.0");
        CoapMetrics coap = new CoapMetrics(metrics);
        coap.endHandshake(false);
        assertTold("leshan_dtls_handshakes_total{result=\"failed\"} 1.0");
        coap.sendResponse(new Response(ResponseCode.CREATED));
        coap.sendResponse(new Response(ResponseCode.FORBIDDEN));
        assertTold("leshan_coap_errors_total{code=\"4.03\",direction=\"sent\"} 1.0");
        assertFalse(metrics.text().contains("code=\"2.01\""));
        coap.setConnections(7);
        coap.setConnections(8);
        assertTold("leshan_dtls_connections 8.0");
    }

    @Test
    void aServerIsReadyIfNoPartReportsAProblem() {
        Health health = new Health();
        health.check("store", Optional::empty);
        assertTrue(health.ready().get("ready").asBoolean());
        health.check("outbox", () -> Optional.of("the receiver refuses our token"));
        health.check("coap", () -> {
            throw new IllegalStateException("the socket is closed");
        });
        assertFalse(health.ready().get("ready").asBoolean());
        assertEquals("{\"coap\":\"the socket is closed\",\"outbox\":\"the receiver refuses our token\"}",
                health.ready().get("reasons").toString());
    }

    @Test
    void aStoreThatCannotBeWrittenReportsAProblem(@TempDir Path folder) throws Exception {
        Store store = new Store(folder.resolve("state.db"));
        StoreCheck check = new StoreCheck(store);
        assertEquals(Optional.empty(), check.problem());
        store.close();
        assertEquals(Optional.of("it cannot be written: the store is closed"), check.problem());
    }

    private void assertTold(String line) {
        assertTrue(metrics.text().contains(line), line + " is not in\n" + metrics.text());
    }
}
