package org.reveille.leshan.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A receiver on plain sockets, whose first responses may be invalid HTTP or endless; it answers later posts with 204. */
final class RawReceiver implements AutoCloseable {
    /** Writes the response to a post; the connection stays open until the sender closes it. */
    @FunctionalInterface
    interface Answer {
        void write(Socket connection, OutputStream out) throws IOException, InterruptedException;
    }

    private static final Pattern LENGTH = Pattern.compile("(?i)content-length: *(\\d+)");
    private static final Pattern ID = Pattern.compile("(?i)webhook-id: *(\\S+)");

    /** Every post that was read, whatever its response. */
    final List<Receiver.Post> posts = new CopyOnWriteArrayList<>();
    /** The number of connections that the sender has not closed. */
    final AtomicInteger open = new AtomicInteger();
    /** The number of accepted connections. */
    final AtomicInteger accepted = new AtomicInteger();
    private final List<Answer> first;
    private final boolean reads;
    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

    /** Creates a receiver with the responses to its first posts. */
    RawReceiver(Answer... first) throws IOException {
        this(true, first);
    }

    /**
     * Creates a receiver.
     *
     * @param reads false: connections are accepted, and nothing is read or answered for three seconds
     */
    RawReceiver(boolean reads, Answer... first) throws IOException {
        this.reads = reads;
        this.first = List.of(first);
        start(this::accept);
    }

    static Answer text(String text) {
        return (connection, out) -> {
            out.write(text.getBytes(StandardCharsets.US_ASCII));
            out.flush();
        };
    }

    /** Returns a response that repeats a piece after its beginning. */
    static Answer endless(String beginning, String piece, int times, int pauseMillis) {
        return (connection, out) -> {
            text(beginning).write(connection, out);
            for (int i = 0; i < times; i++) {
                text(piece).write(connection, out);
                Thread.sleep(pauseMillis);
            }
        };
    }

    URI uri(String scheme) {
        return URI.create(scheme + "://127.0.0.1:" + server.getLocalPort() + "/leshan/events");
    }

    /** Returns the events of the posts that were answered with 204, in order. */
    List<JsonNode> taken() {
        return posts.stream().filter(post -> post.answer() == 204).flatMap(post -> post.events().stream()).toList();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }

    private void accept() throws IOException {
        while (true) {
            Socket connection = server.accept();
            accepted.incrementAndGet();
            open.incrementAndGet();
            start(() -> {
                try (connection) {
                    serve(connection);
                } finally {
                    open.decrementAndGet();
                }
            });
        }
    }

    private void serve(Socket connection) throws IOException, InterruptedException {
        InputStream in = connection.getInputStream();
        while (reads && read(in, connection)) {
            // The next post on this connection.
        }
        if (!reads) {
            Thread.sleep(3_000);
        }
        // Until the sender closes it.
        in.transferTo(OutputStream.nullOutputStream());
    }

    /** Reads and answers a post; returns whether another one may follow. */
    private boolean read(InputStream in, Socket connection) throws IOException, InterruptedException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            if (next < 0) {
                return false;
            }
            head.append((char) next);
        }
        String body = new String(in.readNBytes(Integer.parseInt(find(LENGTH, head))), StandardCharsets.UTF_8);
        int number = posts.size();
        boolean isTaken = number >= first.size();
        posts.add(new Receiver.Post(find(ID, head), null, body, isTaken ? 204 : 0));
        Answer answer = isTaken ? text("HTTP/1.1 204 No Content\r\n\r\n") : first.get(number);
        answer.write(connection, connection.getOutputStream());
        return isTaken;
    }

    private static String find(Pattern pattern, CharSequence head) {
        Matcher found = pattern.matcher(head);
        return found.find() ? found.group(1) : null;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException | InterruptedException closed) {
                // The sender, or the end of the test, has closed the socket.
            }
        }, "raw receiver");
        thread.setDaemon(true);
        thread.start();
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException, InterruptedException;
    }
}
