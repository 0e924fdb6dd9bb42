package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Map;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class CommandLineTest {
    private final StringWriter said = new StringWriter();

    @Test
    void helpListsOptionsUnderHeadings() {
        int exit = run(Map.of(), "server", "--help");
        assertEquals(0, exit);
        String help = said.toString();
        int http = help.indexOf("\nREST API and event stream\n");
        int coap = help.indexOf("\nCoAP\n");
        assertTrue(0 < http && http < help.indexOf("--http-port") && help.indexOf("--http-port") < coap, help);
        assertTrue(coap < help.indexOf("--coap-port"), help);
    }

    @Test
    void anOptionComesFromTheEnvironmentUnlessTheCommandLineHasIt() {
        assertEquals(2, run(Map.of("LESHAN_SERVER_HTTP_PORT", "many"), "server"));
        assertTrue(said.toString().contains("'--http-port'") && said.toString().contains("many"), said.toString());
        assertEquals(0, run(Map.of("LESHAN_SERVER_HTTP_PORT", "many"), "server", "--http-port", "1", "--help"));
    }

    @Test
    void aBadOptionIsAnsweredWithOneLine() {
        assertEquals(2, run(Map.of(), "server", "--coap-port", "x"));
        assertEquals(1, said.toString().lines().count(), said.toString());
    }

    private int run(Map<String, String> environment, String... arguments) {
        said.getBuffer().setLength(0);
        CommandLine command = Main.commandLine(environment);
        command.setOut(new PrintWriter(said, true)).setErr(new PrintWriter(said, true));
        return command.execute(arguments);
    }
}
