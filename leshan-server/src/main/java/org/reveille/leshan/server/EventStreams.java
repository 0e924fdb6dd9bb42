package org.reveille.leshan.server;

import io.javalin.http.Context;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArraySet;
import org.reveille.leshan.events.Event;
import org.reveille.leshan.events.Outbox;

/**
 * The event stream `/api/event`: server-sent events whose lines end with CR LF, a bare CR LF as heartbeat every 10 s.
 * Without `Accept: text/event-stream` it answers 405 (recorded from 2.0.0-M18). In production mode events have ids, and
 * the stored events after `Last-Event-ID` are sent again; the stock server has neither.
 */
final class EventStreams {
    private static final EventStream.Past NONE = output -> 0;

    private final Set<EventStream> open = new CopyOnWriteArraySet<>();
    private final Set<EventStream> ofEnvelopes = ConcurrentHashMap.newKeySet();
    private final Outbox outbox;

    /** Creates the stock server's stream, which sends an event to the current subscribers only. */
    EventStreams() {
        this.outbox = null;
    }

    /** Creates a stream that sends the events of an outbox. */
    EventStreams(Outbox outbox) {
        this.outbox = outbox;
        outbox.listen(this::publish);
    }

    /** Sends an event to every subscriber of this client. {@code data} is sent unchanged, broken JSON included. */
    void publish(String name, String client, String data) {
        String event = "event: " + name + "\r\ndata: " + data + "\r\n\r\n";
        open.stream().filter(stream -> stream.wants(client)).forEach(stream -> stream.offer(Long.MAX_VALUE, event));
    }

    private void publish(Event event) {
        open.stream().filter(stream -> stream.wants(event.endpoint())).forEach(
                stream -> stream.offer(event.seq(), text(event, ofEnvelopes.contains(stream))));
    }

    private static String text(Event event, boolean envelope) {
        String data = envelope ? event.envelope() : event.data();
        return "id: " + event.seq() + "\r\nevent: " + event.name() + "\r\ndata: " + data + "\r\n\r\n";
    }

    /** Serves one subscriber, if {@link #isWanted}, until it disconnects; holds none of the web server's threads. */
    void serve(Context context) throws IOException {
        HttpServletResponse response = context.res();
        response.setStatus(200);
        response.setContentType("text/event-stream;charset=utf-8");
        response.setHeader("Connection", "close");
        boolean envelopes = outbox != null && Boolean.parseBoolean(context.queryParam("envelope"));
        String endpoint = context.queryParam("ep");
        EventStream stream =
                new EventStream(endpoint, response.getOutputStream(), past(context, endpoint, envelopes));
        if (envelopes) {
            ofEnvelopes.add(stream);
        }
        // The stream is added before the head is flushed: a subscriber that has received the 200 misses no later event.
        open.add(stream);
        CompletableFuture<Void> served = stream.closed().whenComplete((nothing, error) -> {
            open.remove(stream);
            ofEnvelopes.remove(stream);
        });
        begin(stream, response);
        context.future(() -> served);
    }

    /**
     * Sends the head and starts the stream. A stream whose subscriber has disconnected by now must be abandoned,
     * because it would collect events forever.
     */
    private static void begin(EventStream stream, HttpServletResponse response) throws IOException {
        boolean begun = false;
        try {
            response.flushBuffer();
            stream.start();
            begun = true;
        } finally {
            if (!begun) {
                stream.abandon();
            }
        }
    }

    int listeners() {
        return open.size();
    }

    void closeAll() {
        open.forEach(EventStream::close);
    }

    private EventStream.Past past(Context context, String endpoint, boolean envelopes) {
        String last = context.header("Last-Event-ID");
        if (outbox == null || last == null || !last.matches("\\d{1,18}")) {
            return NONE;
        }
        return output -> replay(Long.parseLong(last), endpoint, envelopes, output);
    }

    private long replay(long last, String endpoint, boolean envelopes, OutputStream output) throws IOException {
        // Not `last`: a subscriber may have numbers of an earlier, now lost, data folder.
        long seq = 0;
        try {
            for (List<Event> kept = outbox.after(last); !kept.isEmpty(); kept = outbox.after(seq)) {
                for (Event event : kept) {
                    if (endpoint == null || event.endpoint() == null || endpoint.equals(event.endpoint())) {
                        output.write(text(event, envelopes).getBytes(StandardCharsets.UTF_8));
                    }
                    seq = event.seq();
                }
            }
        } catch (SQLException unreadable) {
            throw new IOException(unreadable);
        }
        return seq;
    }

    static boolean isWanted(Context context) {
        return Collections.list(context.req().getHeaders("Accept")).stream()
                .anyMatch(accept -> accept.contains("text/event-stream"));
    }
}
