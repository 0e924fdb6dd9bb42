package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import org.reveille.leshan.json.Json;

/** A receiver of webhook posts that records them, and answers as the test specifies. */
final class Receiver implements AutoCloseable {
    /** One post. */
    record Post(String id, Map<String, List<String>> headers, String body, int answer) {
        List<JsonNode> events() {
            List<JsonNode> events = new ArrayList<>();
            try {
                Json.read(body).forEach(events::add);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
            return events;
        }

        List<String> names() {
            return events().stream().map(event -> event.get("event").asText()).toList();
        }
    }

    final List<Post> posts = new CopyOnWriteArrayList<>();
    /** Names in the certificates that the senders have presented. */
    final List<String> peers = new CopyOnWriteArrayList<>();
    volatile Function<Post, Integer> answers = post -> 204;
    private final HttpServer http;

    Receiver() throws IOException {
        this(0);
    }

    Receiver(int port) throws IOException {
        this(HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0));
    }

    /** Creates a receiver with TLS, which requires a certificate of the sender. */
    Receiver(SSLContext tls) throws IOException {
        this(https(tls));
    }

    private Receiver(HttpServer http) {
        this.http = http;
        http.createContext("/", this::take);
        http.start();
    }

    private static HttpServer https(SSLContext tls) throws IOException {
        HttpsServer https = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        https.setHttpsConfigurator(new HttpsConfigurator(tls) {
            @Override
            public void configure(HttpsParameters parameters) {
                SSLParameters wanted = getSSLContext().getDefaultSSLParameters();
                wanted.setNeedClientAuth(true);
                parameters.setSSLParameters(wanted);
            }
        });
        return https;
    }

    int port() {
        return http.getAddress().getPort();
    }

    URI uri() {
        return URI.create((http instanceof HttpsServer ? "https" : "http") + "://127.0.0.1:" + port() + "/leshan/events");
    }

    /** Returns the events of the accepted posts, in order. */
    List<JsonNode> taken() {
        return posts.stream().filter(post -> post.answer() / 100 == 2).flatMap(post -> post.events().stream()).toList();
    }

    @Override
    public void close() {
        http.stop(0);
    }

    private void take(HttpExchange exchange) throws IOException {
        if (exchange instanceof HttpsExchange secured) {
            peers.add(secured.getSSLSession().getPeerPrincipal().getName());
        }
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        String id = exchange.getRequestHeaders().getFirst("webhook-id");
        int answer = answers.apply(new Post(id, exchange.getRequestHeaders(), body, 0));
        posts.add(new Post(id, exchange.getRequestHeaders(), body, answer));
        exchange.sendResponseHeaders(answer, -1);
        exchange.close();
    }
}
