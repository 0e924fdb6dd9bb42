package org.reveille.leshan.coap;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class RefusalLogTest {
    private final Logger logger = (Logger) LoggerFactory.getLogger(RefusalLog.class);
    private final ListAppender<ILoggingEvent> lines = new ListAppender<>();
    private final AtomicLong nanos = new AtomicLong();
    private final RefusalLog log = new RefusalLog(nanos::get);

    @BeforeEach
    void listen() {
        lines.start();
        logger.addAppender(lines);
    }

    @AfterEach
    void stop() {
        logger.detachAppender(lines);
    }

    @Test
    void aReasonIsLoggedOnceInAMinuteWithTheNumberOfTheOthers() {
        Request request = Request.newPost();
        request.setSourceContext(
                new AddressEndpointContext(new InetSocketAddress(InetAddress.getLoopbackAddress(), 1234)));
        for (int i = 0; i < 5; i++) {
            log.refused("too many", request);
        }
        log.refused("too large", request);
        nanos.set(TimeUnit.SECONDS.toNanos(60));
        log.refused("too many", request);
        assertEquals(List.of(
                "refused a request of 127.0.0.1:1234: too many (0 others since the last such line)",
                "refused a request of 127.0.0.1:1234: too large (0 others since the last such line)",
                "refused a request of 127.0.0.1:1234: too many (4 others since the last such line)"),
                lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList());
    }
}
