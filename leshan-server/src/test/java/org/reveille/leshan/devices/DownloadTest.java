package org.reveille.leshan.devices;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DownloadTest {
    private static final int LIMIT = 1_000;
    private final CountDownLatch end = new CountDownLatch(1);
    private HttpServer http;

    @AfterEach
    void stop() {
        end.countDown();
        http.stop(0);
    }

    @Test
    void aPackageIsDownloadedUpToTheLimit() throws Exception {
        serve(exchange -> {
            byte[] body = new byte["/small".equals(exchange.getRequestURI().getPath()) ? LIMIT : LIMIT + 1];
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        assertArrayEquals(new byte[LIMIT], download("/small", Duration.ofSeconds(10)).bytes());
        assertEquals(Download.TOO_LARGE, download("/large", Duration.ofSeconds(10)).result());
    }

    @Test
    void aBodyThatStallsEndsWithTheDeadline() throws Exception {
        serve(exchange -> {
            exchange.sendResponseHeaders(200, 10);
            exchange.getResponseBody().write(new byte[3]);
            exchange.getResponseBody().flush();
            awaitEnd();
        });
        assertEquals(Download.CONNECTION_LOST, download("/", Duration.ofMillis(500)).result());
    }

    @Test
    void anEndlessBodyIsReadUpToTheLimit() throws Exception {
        serve(exchange -> {
            exchange.sendResponseHeaders(200, 0);
            OutputStream body = exchange.getResponseBody();
            body.write(new byte[LIMIT + 1]);
            body.flush();
            awaitEnd();
        });
        assertEquals(Download.TOO_LARGE, download("/", Duration.ofSeconds(10)).result());
    }

    @Test
    void anInterruptedDownloadIsResumedByItsRange() throws Exception {
        byte[] whole = new byte[LIMIT];
        new Random(1).nextBytes(whole);
        List<String> ranges = new CopyOnWriteArrayList<>();
        serve(exchange -> {
            String range = exchange.getRequestHeaders().getFirst("Range");
            ranges.add(range + " " + exchange.getRequestHeaders().getFirst("If-Range"));
            int start = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
            exchange.getResponseHeaders().set("ETag", "\"1\"");
            exchange.getResponseHeaders().set("Content-Range", "bytes " + start + "-" + (LIMIT - 1) + "/" + LIMIT);
            exchange.sendResponseHeaders(range == null ? 200 : 206, LIMIT - start);
            exchange.getResponseBody().write(whole, start, LIMIT - start);
            exchange.close();
        });
        AtomicInteger resumed = new AtomicInteger();
        assertArrayEquals(whole, download("/", new Download.Plan(
                LIMIT, 0, Duration.ofSeconds(10), 1, true, resumed::incrementAndGet)).bytes());
        assertEquals(List.of("null null", "bytes=500- \"1\""), ranges);
        assertEquals(1, resumed.get());
        assertEquals(Download.CONNECTION_LOST, download("/", new Download.Plan(
                LIMIT, 0, Duration.ofSeconds(10), 0, true, resumed::incrementAndGet)).result());
    }

    @Test
    void aSlowDownloadReadsItsBytesOverTheTime() throws Exception {
        byte[] whole = new byte[16 << 20];
        AtomicInteger sent = new AtomicInteger();
        serve(exchange -> {
            exchange.sendResponseHeaders(200, whole.length);
            for (int start = 0; start < whole.length; start += 1 << 16) {
                exchange.getResponseBody().write(whole, start, 1 << 16);
                sent.addAndGet(1 << 16);
            }
            exchange.close();
        });
        String uri = "http://127.0.0.1:" + http.getAddress().getPort();
        Download.Plan slow = new Download.Plan(whole.length, 3_600_000, Duration.ofSeconds(10), 0, false, () -> { });
        CompletableFuture<Download> hour = Download.begin(uri, slow);
        Download.Plan fast = new Download.Plan(whole.length, 500, Duration.ofSeconds(10), 0, false, () -> { });
        assertEquals(whole.length, Download.begin(uri, fast).get(10, TimeUnit.SECONDS).bytes().length);
        assertFalse(hour.isDone());
        assertTrue(sent.get() < 2 * whole.length, "the rest is not read yet");
    }

    private Download download(String path, Duration patience) throws Exception {
        return download(path, new Download.Plan(LIMIT, 0, patience, 0, false, () -> { }));
    }

    private Download download(String path, Download.Plan plan) throws Exception {
        return Download.begin("http://127.0.0.1:" + http.getAddress().getPort() + path, plan)
                .get(5, TimeUnit.SECONDS);
    }

    private void serve(HttpHandler handler) throws Exception {
        http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.setExecutor(Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        }));
        http.createContext("/", handler);
        http.start();
    }

    private void awaitEnd() {
        try {
            end.await();
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }
}
