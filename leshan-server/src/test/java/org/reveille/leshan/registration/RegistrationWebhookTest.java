package org.reveille.leshan.registration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reveille.leshan.registration.RegistrationWebhook.Decision;
import org.reveille.leshan.registration.RegistrationWebhook.Device;

class RegistrationWebhookTest {
    private static final Device DEVICE = new Device("dev-1", "id\"1", "192.0.2.1", 5683, Map.of("lt", "300"));
    private static final Duration CACHE = Duration.ofSeconds(300);

    private final List<String> posts = new CopyOnWriteArrayList<>();
    private final List<Decision> counted = new CopyOnWriteArrayList<>();
    private final AtomicLong time = new AtomicLong();
    private final CountDownLatch answers = new CountDownLatch(1);
    private volatile int status = 204;
    private volatile boolean holds;
    private HttpServer server;
    private RegistrationWebhook webhook;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", this::answer);
        server.start();
        webhook = webhook(Duration.ofSeconds(20));
    }

    private RegistrationWebhook webhook(Duration timeout) {
        URI url = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/decide");
        return new RegistrationWebhook(
                new RegistrationWebhook.Options(url, "secret", "leshan", CACHE), counted::add, timeout, time::get);
    }

    @AfterEach
    void stop() {
        answers.countDown();
        webhook.close();
        server.stop(0);
    }

    @Test
    void theStatusIsTheDecisionAndTheDeviceIsPosted() throws Exception {
        assertEquals(Decision.ALLOWED, decide(DEVICE));
        assertEquals("Bearer secret {\"server\":\"leshan\",\"endpoint\":\"dev-1\",\"secure\":true,\"identity\":\"id\\\"1\","
                + "\"address\":\"192.0.2.1\",\"port\":5683,\"attributes\":{\"lt\":\"300\"}}", posts.get(0));
        status = 403;
        assertEquals(Decision.REFUSED, decide(named("dev-2")));
        for (int other : new int[] {302, 401, 404, 500}) {
            status = other;
            assertEquals(Decision.UNKNOWN, decide(named("dev-" + other)));
        }
    }

    /** Without this, Java's client would keep the connection open forever. */
    @ParameterizedTest
    @ValueSource(strings = {"220 mail.example.org ESMTP\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"})
    void theConnectionOfAnUnusableResponseIsClosed(String response) throws Exception {
        try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            URI url = URI.create("http://127.0.0.1:" + listening.getLocalPort());
            webhook.close();
            webhook = new RegistrationWebhook(new RegistrationWebhook.Options(url, null, "leshan", CACHE), counted::add,
                    Duration.ofSeconds(1), System::nanoTime);
            CompletableFuture<Decision> decision = webhook.decide(DEVICE);
            try (Socket connection = listening.accept()) {
                connection.setSoTimeout(20_000);
                connection.getOutputStream().write(response.getBytes(StandardCharsets.US_ASCII));
                assertEquals(Decision.UNKNOWN, decision.get(20, TimeUnit.SECONDS));
                assertClosed(connection);
            }
        }
    }

    private static void assertClosed(Socket connection) throws IOException {
        try {
            while (connection.getInputStream().read() >= 0) {
                // The request may have arrived in part.
            }
        } catch (SocketException reset) {
            // Closed with bytes unread.
        }
    }

    @Test
    void aDecisionIsCachedByIdentityForALimitedTime() throws Exception {
        decide(DEVICE);
        status = 403;
        time.addAndGet(CACHE.toNanos() - 1);
        assertTrue(webhook.decide(new Device("dev-1", "id\"1", "192.0.2.99", 1, Map.of())).isDone());
        assertEquals(Decision.ALLOWED, decide(DEVICE));
        assertEquals(Decision.REFUSED, decide(new Device("dev-1", "other", "192.0.2.1", 5683, Map.of())));
        time.addAndGet(1);
        assertEquals(Decision.REFUSED, decide(DEVICE));
        assertEquals(3, posts.size());
    }

    @Test
    void theLastDecisionIsUsedWhileTheWebhookDecidesNothing() throws Exception {
        decide(DEVICE);
        time.addAndGet(CACHE.toNanos());
        status = 503;
        assertEquals(Decision.ALLOWED, decide(DEVICE));
        assertEquals(Decision.UNKNOWN, decide(named("new")));
        assertEquals(List.of(Decision.ALLOWED, Decision.UNKNOWN, Decision.UNKNOWN), counted);
        server.stop(0);
        assertEquals(Decision.ALLOWED, decide(DEVICE));
    }

    @Test
    void aWebhookWithoutAnAnswerBlocksOnlyItsOwnThreads() throws Exception {
        holds = true;
        webhook = webhook(Duration.ofMillis(500));
        List<CompletableFuture<Decision>> all = new ArrayList<>();
        for (int i = 0; i < 2_000; i++) {
            all.add(webhook.decide(named("dev-" + i)));
        }
        // 8 are posted, 1,000 wait; the others are decided at once.
        assertTrue(all.stream().filter(CompletableFuture::isDone).count() >= 992);
        // By this clock, the waiting ones are late.
        time.addAndGet(Duration.ofMillis(500).toNanos());
        for (CompletableFuture<Decision> each : all) {
            assertEquals(Decision.UNKNOWN, each.get(10, TimeUnit.SECONDS));
        }
        assertTrue(posts.size() <= 8, posts.size() + " posts");
        assertFalse(webhook.decide(named("dev-0")).isDone());
    }

    private Decision decide(Device device) throws Exception {
        return webhook.decide(device).get(10, TimeUnit.SECONDS);
    }

    private static Device named(String name) {
        return new Device(name, null, "192.0.2.1", 5683, Map.of());
    }

    private void answer(HttpExchange exchange) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        posts.add(exchange.getRequestHeaders().getFirst("Authorization") + " " + body);
        if (holds) {
            try {
                answers.await();
            } catch (InterruptedException ending) {
                Thread.currentThread().interrupt();
            }
        }
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }
}
