package org.reveille.leshan.server;

import io.javalin.http.Context;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.Collections;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArraySet;

/**
 * The event stream `/api/event`: server-sent events whose lines end with CR LF, a bare CR LF as heartbeat every 10 s,
 * no ids, no replay. Without `Accept: text/event-stream` it answers 405 (recorded from 2.0.0-M18).
 */
final class EventStreams {
    private final Set<EventStream> open = new CopyOnWriteArraySet<>();

    /** Tells every listener who asked for it. {@code data} goes out as it is, broken JSON included. */
    void publish(String name, String client, String data) {
        String event = "event: " + name + "\r\ndata: " + data + "\r\n\r\n";
        open.forEach(stream -> stream.offer(client, event));
    }

    /** Serves one listener until it goes; holds none of the web server's threads. */
    void serve(Context context) throws IOException {
        if (!wantsEvents(context)) {
            context.status(405);
            return;
        }
        HttpServletResponse response = context.res();
        response.setStatus(200);
        response.setContentType("text/event-stream;charset=utf-8");
        response.setHeader("Connection", "close");
        EventStream stream = new EventStream(context.queryParam("ep"), response.getOutputStream());
        // Listening starts before the head is flushed: who has seen the 200 misses nothing that happens afterwards.
        open.add(stream);
        response.flushBuffer();
        CompletableFuture<Void> served = stream.closed().whenComplete((nothing, error) -> open.remove(stream));
        stream.start();
        context.future(() -> served);
    }

    void closeAll() {
        open.forEach(EventStream::close);
    }

    private static boolean wantsEvents(Context context) {
        return Collections.list(context.req().getHeaders("Accept")).stream()
                .anyMatch(accept -> accept.contains("text/event-stream"));
    }
}
