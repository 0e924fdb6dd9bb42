package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.security.ApiTokens;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;

/** Tests raw requests to a web server whose handler returns the body; `/hold` waits until the test releases it. */
class AdmissionHandlerTest {
    private static final int LARGEST = 1_000;
    private static final Duration NEVER = Duration.ofMinutes(10);
    private static final int MOST_THREADS = 8;

    private final QueuedThreadPool pool = new QueuedThreadPool(20);
    private final AtomicInteger handled = new AtomicInteger();
    private final CountDownLatch holding = new CountDownLatch(MOST_THREADS);
    private final CountDownLatch letGo = new CountDownLatch(1);
    private final List<Socket> open = new ArrayList<>();
    private BodyReader bodies;
    private Server server;

    @AfterEach
    void end() throws Exception {
        letGo.countDown();
        for (Socket socket : open) {
            socket.close();
        }
        server.stop();
    }

    @Test
    void aBodyIsBoundedWhateverItsFraming() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER));
        String most = "x".repeat(LARGEST);
        assertEquals("200 " + most, answer(post("Content-Length: " + LARGEST, most)));
        assertEquals("200 " + most, answer(post("Transfer-Encoding: chunked", chunk(most) + chunk(""))));
        String tooLarge = "413 Too large: a body may have 1000 bytes";
        assertEquals(tooLarge, answer(post("Content-Length: " + (LARGEST + 1), most + "x")));
        assertEquals(tooLarge, answer(post("Transfer-Encoding: chunked", chunk(most) + chunk("x") + chunk(""))));
        assertEquals(tooLarge, answer(post("Content-Length: 419430400", "")));
        assertEquals(2, handled.get());
        awaitReleasedBodies();
    }

    @Test
    void aTooLargeChunkedBodyIsAbandoned() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER));
        Socket socket = send(post("Transfer-Encoding: chunked", ""));
        byte[] chunk = chunk("x".repeat(1 << 16)).getBytes(StandardCharsets.US_ASCII);
        // More than is read and dropped so that the caller can read the response; the body does not end.
        for (int i = 0; i < 129; i++) {
            socket.getOutputStream().write(chunk);
        }
        assertEquals("413 Too large: a body may have 1000 bytes", read(socket));
    }

    @Test
    void aBodyHasADeadline() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, Duration.ofMillis(200)));
        Socket socket = send(post("Content-Length: 3", "x"));
        assertEquals("408 Body timeout: the request's body was not complete after 0.2 s", read(socket));
        assertEquals("408 Body timeout: the request's body was not complete after 0.2 s",
                answer(post("Transfer-Encoding: chunked", chunk("x"))));
        assertEquals(0, handled.get());
        awaitReleasedBodies();
    }

    @Test
    void stalledBodiesOccupyNoThread() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER));
        for (int i = 0; i < 300; i++) {
            send(post("Content-Length: 3", "x"));
        }
        assertEquals("200 abc", answer(post("Content-Length: 3", "abc")));
        // The last of the 300 may not have arrived yet.
        await(() -> pool.getBusyThreads() < MOST_THREADS);
        assertEquals("200 ", answer(get("/health/live")));
        assertEquals(2, handled.get());
    }

    @Test
    void allBodiesTogetherAreBounded() throws Exception {
        start(new BodyReader(LARGEST, 1_500, NEVER));
        String most = "x".repeat(LARGEST);
        Socket first = send(post("Content-Length: " + LARGEST, most.substring(1)));
        await(() -> bodies.held() >= LARGEST - 1);
        assertEquals("429 Too many calls: 1500 bytes of bodies are unhandled",
                answer(post("Content-Length: " + LARGEST, most)));
        first.getOutputStream().write('x');
        assertEquals("200 " + most, read(first));
        awaitReleasedBodies();
        assertEquals("200 " + most, answer(post("Content-Length: " + LARGEST, most)));
    }

    @Test
    void healthAnswersWhileAllOtherThreadsAreBusy() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER));
        List<Socket> held = new ArrayList<>();
        for (int i = 0; i < MOST_THREADS; i++) {
            held.add(send(get("/hold")));
        }
        holding.await();
        Socket waiting = send(get("/other"));
        assertEquals("200 ", answer(get("/health/live")));
        assertEquals("200 ", answer(get("/health/ready")));
        letGo.countDown();
        for (Socket socket : held) {
            assertEquals("200 ", read(socket));
        }
        assertEquals("200 ", read(waiting));
    }

    @Test
    void aCallerIsCheckedBeforeItsBodyIsRead() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER), new ApiTokens(List.of("right")));
        for (String wrong : List.of("Bearer wrong", "right", "")) {
            String answer = answer(post("Authorization: " + wrong + "\r\nContent-Length: 3", ""));
            assertTrue(answer.startsWith("401 Unauthorized: "), answer);
        }
        assertEquals("200 abc", answer(post("Authorization: Bearer right\r\nContent-Length: 3", "abc")));
        assertEquals("200 ", answer(get("/health/live")));
        // A caller with a token is not a web page.
        assertEquals("200 ", answer("GET / HTTP/1.1\r\nHost: example.com\r\nOrigin: http://example.com\r\n"
                + "Authorization: Bearer right\r\nConnection: close\r\n\r\n"));
    }

    @Test
    void withoutATokenTheUrlMustHaveAKnownName() throws Exception {
        start(new BodyReader(LARGEST, 1 << 20, NEVER));
        for (String known : List.of("localhost", "localhost:80", "127.0.0.1:8080", "[::1]:8080", "proxy.example")) {
            assertEquals("200 ", answer(getAt(known, "")), known);
        }
        for (String other : List.of("example.com", "example.com:8080", "localhost.example.com")) {
            assertTrue(answer(getAt(other, "")).startsWith("403 Forbidden: "), other);
        }
        assertTrue(answer(getAt("localhost", "Sec-Fetch-Site: cross-site\r\n")).startsWith("403 Forbidden: "));
        assertTrue(answer(getAt("localhost", "Origin: http://example.com\r\n")).startsWith("403 Forbidden: "));
        // The name in the request line counts, not that of the header (RFC 9112, 3.2.2).
        assertFalse(answer("GET http://example.com/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .startsWith("200"));
        assertEquals(5, handled.get());
    }

    /** Waits until no body is held: a body is released after its response, which the caller may have read before. */
    private void awaitReleasedBodies() {
        await(() -> bodies.held() == 0);
    }

    private void start(BodyReader limits) throws Exception {
        start(limits, new ApiTokens(List.of()));
    }

    private void start(BodyReader limits, ApiTokens access) throws Exception {
        bodies = limits;
        HttpSettings settings = new HttpSettings("127.0.0.1", 0, Identity.NONE, access,
                new Origins("127.0.0.1", List.of("proxy.example")));
        AdmissionHandler entrance = new AdmissionHandler(settings, bodies, MOST_THREADS, status -> { });
        entrance.setHandler(new Echo());
        server = new Server(pool);
        ServerConnector connector = new ServerConnector(server, 1, 1);
        connector.setHost("127.0.0.1");
        server.addConnector(connector);
        server.setHandler(entrance);
        server.start();
    }

    private final class Echo extends Handler.Abstract {
        @Override
        public boolean handle(Request request, Response response, Callback callback) throws Exception {
            handled.incrementAndGet();
            if (request.getHttpURI().getPath().equals("/hold")) {
                holding.countDown();
                letGo.await();
            }
            Content.Sink.write(response, true, Content.Source.asString(request), callback);
            return true;
        }
    }

    private static String post(String headers, String body) {
        return "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n\r\n" + body;
    }

    private static String get(String path) {
        return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    }

    private static String getAt(String host, String headers) {
        return "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + headers + "\r\n";
    }

    private static String chunk(String text) {
        return Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
    }

    private String answer(String request) throws IOException {
        return read(send(request));
    }

    private Socket send(String request) throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(),
                ((ServerConnector) server.getConnectors()[0]).getLocalPort());
        open.add(socket);
        socket.setSoTimeout(60_000);
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        return socket;
    }

    /** Returns the status and body of a response that ends with its connection. */
    private static String read(Socket socket) throws IOException {
        String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int body = answer.indexOf("\r\n\r\n");
        return answer.split(" ")[1] + " " + answer.substring(body + 4);
    }
}
