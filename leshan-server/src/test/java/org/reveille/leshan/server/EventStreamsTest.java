package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.javalin.http.Context;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class EventStreamsTest {
    private static final String MEBIBYTE = "x".repeat(1 << 20);

    @Test
    void noEventsAreCollectedForASubscriberThatLeftBeforeTheHead() {
        EventStreams streams = new EventStreams();
        HttpServletRequest request = Fakes.answering(HttpServletRequest.class,
                method -> method.equals("getHeaders") ? Collections.enumeration(List.of("text/event-stream")) : null);
        HttpServletResponse response = Fakes.answering(HttpServletResponse.class, method -> {
            if (method.equals("flushBuffer")) {
                throw new IOException("gone");
            }
            return null;
        });
        Function<String, Object> answers =
                method -> method.equals("req") ? request : method.equals("res") ? response : null;
        assertThrows(IOException.class, () -> streams.serve(Fakes.answering(Context.class, answers::apply)));
        assertEquals(0, streams.listeners());
    }

    @Test
    void aSubscriberThatReadsNothingIsDroppedByBytes() throws Exception {
        Stuck output = new Stuck();
        EventStream stream = new EventStream(null, output, past -> 0);
        stream.start();
        for (int i = 0; i < 16; i++) {
            stream.offer(Long.MAX_VALUE, MEBIBYTE);
        }
        output.stuck.await();
        assertFalse(stream.closed().isDone());
        stream.offer(Long.MAX_VALUE, MEBIBYTE);
        stream.offer(Long.MAX_VALUE, MEBIBYTE);
        stream.closed().get(30, TimeUnit.SECONDS);
    }

    @Test
    void eventsWithoutAClientAreSentToListenersOfOneClientToo() {
        EventStream stream = new EventStream("dev", OutputStream.nullOutputStream(), past -> 0);
        assertTrue(stream.wants("dev"));
        assertTrue(stream.wants(null));
        assertFalse(stream.wants("other"));
    }

    @Test
    void anEventIsNeverTooLargeAlone() throws Exception {
        CountDownLatch written = new CountDownLatch(1);
        EventStream stream = new EventStream(null, new Counting(written), past -> 0);
        stream.start();
        stream.offer(Long.MAX_VALUE, MEBIBYTE.repeat(17));
        written.await();
        stream.close();
        stream.closed().get(30, TimeUnit.SECONDS);
    }

    /** Accepts no bytes. */
    private static final class Stuck extends OutputStream {
        private final CountDownLatch stuck = new CountDownLatch(1);

        @Override
        public void write(int one) throws IOException {
            stuck.countDown();
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException given) {
                throw new InterruptedIOException();
            }
        }
    }

    /** Accepts all bytes. */
    private static final class Counting extends OutputStream {
        private final CountDownLatch written;

        Counting(CountDownLatch written) {
            this.written = written;
        }

        @Override
        public void write(int one) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void write(byte[] bytes) {
            written.countDown();
        }
    }
}
