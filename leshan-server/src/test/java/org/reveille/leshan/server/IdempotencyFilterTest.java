package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpURI;
import org.eclipse.jetty.server.Request;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.server.Failure.Code;
import org.reveille.leshan.store.Store;

class IdempotencyFilterTest {
    @TempDir
    private Path folder;

    @Test
    void aCallThatFailsWithoutAnAnswerEnds() throws Exception {
        try (Store store = new Store(folder.resolve("test.sqlite"))) {
            RequestLog log = RequestLog.open(store, (connection, endpoint, data) -> { }, System::currentTimeMillis);
            IdempotencyFilter filter = new IdempotencyFilter(log, Runnable::run);
            for (int i = 0; i < 2; i++) {
                CompletableFuture<HttpAnswer> broken =
                        CompletableFuture.failedFuture(new IllegalStateException("broken"));
                HttpAnswer answer = filter.answer(call("1/1"), call -> broken).get(10, TimeUnit.SECONDS);
                assertEquals(Code.UNEXPECTED, answer.failure().code());
                assertEquals(Delivery.MAY_HAVE_REACHED, answer.failure().delivery());
            }
            assertEquals("NOT_RECEIVED", filter.state("1/1", false, 30).get().get("state").asText());
        }
    }

    @Test
    void aWaitingCallerIsAnsweredByAWorker() throws Exception {
        try (Store store = new Store(folder.resolve("test.sqlite"))) {
            RequestLog log = RequestLog.open(store, (connection, endpoint, data) -> { }, System::currentTimeMillis);
            IdempotencyFilter filter = new IdempotencyFilter(log, work -> {
                throw new IllegalStateException("a worker");
            });
            CompletableFuture<HttpAnswer> running = new CompletableFuture<>();
            filter.answer(call("1/1"), call -> running);
            CompletableFuture<?> state = filter.state("1/1", false, 30);
            assertTrue(!state.isDone());
            running.complete(HttpAnswer.empty());
            assertThrows(Exception.class, () -> state.get(10, TimeUnit.SECONDS));
        }
    }

    private static HttpCall call(String id) {
        HttpFields headers = HttpFields.build().put("Reveille-Request", id);
        HttpURI uri = HttpURI.from("http://127.0.0.1/api/clients/dev/3/0/4");
        Map<String, Object> answers = Map.of("getHttpURI", uri, "getMethod", "POST", "getHeaders", headers);
        return new HttpCall(Fakes.answering(Request.class, answers::get), List.of("dev", "3", "0", "4"),
                ApiDialect.PRODUCTION);
    }
}
