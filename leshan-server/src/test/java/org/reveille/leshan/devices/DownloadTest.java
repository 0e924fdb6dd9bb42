package org.reveille.leshan.devices;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
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

    private Download download(String path, Duration patience) throws Exception {
        return Download.begin("http://127.0.0.1:" + http.getAddress().getPort() + path, LIMIT, patience)
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
