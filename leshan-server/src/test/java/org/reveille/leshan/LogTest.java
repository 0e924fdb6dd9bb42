package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.joran.JoranConfigurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.ConsoleAppender;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.reveille.leshan.json.Json;

class LogTest {
    @Test
    void aMessageIsOneLine() throws Exception {
        LoggerContext context = new LoggerContext();
        JoranConfigurator configurator = new JoranConfigurator();
        configurator.setContext(context);
        configurator.doConfigure(LogTest.class.getResource("/logback.xml"));
        String line = write(context, "said a\r\nb" + (char) 0x85 + "c" + (char) 0x2028 + "d\\n(e)");
        assertTrue(line.endsWith("WARN  LogTest said a  b c d\\n(e)" + System.lineSeparator()), line);
        assertEquals(1, line.lines().count());
        context.stop();
    }

    @Test
    void asJsonAMessageIsOneObjectOnOneLine() throws Exception {
        LoggerContext context = new LoggerContext();
        context.setMDCAdapter(new LogbackMDCAdapter());
        context.putProperty("LESHAN_SERVER_LOG_FORMAT", "json");
        JoranConfigurator configurator = new JoranConfigurator();
        configurator.setContext(context);
        configurator.doConfigure(LogTest.class.getResource("/logback.xml"));
        String line = write(context, "said a\r\nb \"c\"");
        assertEquals(1, line.lines().count(), line);
        JsonNode json = Json.read(line);
        assertEquals("said a\r\nb \"c\"", json.get("formattedMessage").asText());
        assertEquals("WARN", json.get("level").asText());
        assertEquals(LogTest.class.getName(), json.get("loggerName").asText());
        assertTrue(json.get("timestamp").asLong() > 0);
        context.stop();
    }

    private static String write(LoggerContext context, String message) {
        LoggingEvent event = new LoggingEvent(LogTest.class.getName(), context.getLogger(LogTest.class), Level.WARN,
                message, null, null);
        ConsoleAppender<ILoggingEvent> appender =
                (ConsoleAppender<ILoggingEvent>) context.getLogger("ROOT").getAppender("err");
        return new String(appender.getEncoder().encode(event), StandardCharsets.UTF_8);
    }
}
