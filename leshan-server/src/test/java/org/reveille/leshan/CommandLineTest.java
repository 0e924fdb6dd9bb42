package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.security.TestCertificates;
import picocli.CommandLine;

class CommandLineTest {
    private static final String HELP = " (see `server --help`)" + System.lineSeparator();

    private final StringWriter output = new StringWriter();
    @TempDir
    private Path folder;

    @Test
    void helpListsOptionsUnderHeadings() {
        int exit = run(Map.of(), "server", "--help");
        assertEquals(0, exit);
        String help = output.toString();
        int http = help.indexOf("\nREST API and event stream\n");
        int coap = help.indexOf("\nCoAP\n");
        assertTrue(0 < http && http < help.indexOf("--http-port") && help.indexOf("--http-port") < coap, help);
        assertTrue(coap < help.indexOf("--coap-port"), help);
    }

    @Test
    void anOptionComesFromTheEnvironmentUnlessTheCommandLineHasIt() {
        assertEquals(2, run(Map.of("LESHAN_SERVER_HTTP_PORT", "many"), "server"));
        assertTrue(output.toString().contains("'--http-port'") && output.toString().contains("many"), output.toString());
        assertEquals(0, run(Map.of("LESHAN_SERVER_HTTP_PORT", "many"), "server", "--http-port", "1", "--help"));
    }

    @Test
    void aMisspelledVariableIsRefusedWithASuggestion() {
        for (String[] each : new String[][] {{"HTTP_PROT", "HTTP_PORT"}, {"API_TOKENS", "API_TOKEN"},
            {"CONTROL_PORTS", "CONTROL_PORT"}, {"LOG_FORMATS", "LOG_FORMAT"}}) {
            String name = "LESHAN_SERVER_" + each[0];
            assertEquals(2, run(Map.of(name, "1"), "server"));
            assertEquals("Unknown variable " + name + ". Did you mean LESHAN_SERVER_" + each[1] + "?" + HELP,
                    output.toString());
        }
        assertEquals(0, run(Map.of("LESHAN_SERVER_HTTP_PROT", "1"), "server", "--help"));
        // A variable of the devices, and one of another program.
        Map<String, String> others = Map.of("LESHAN_SERVER_CONTROL_PORT", "1", "LESHAN_SERVERS", "1");
        assertEquals(2, run(others, "server", "--no-coap", "--data", folder.toString()));
        assertTrue(output.toString().startsWith("--no-coap leaves"), output.toString());
    }

    @Test
    void aMisspelledValueOfAVariableIsRefused() {
        assertEquals(2, run(Map.of("LESHAN_SERVER_LOG", "INFOO"), "server"));
        assertEquals("LESHAN_SERVER_LOG: one of TRACE, DEBUG, INFO, WARN, ERROR, OFF is expected, not 'INFOO'." + HELP,
                output.toString());
        assertEquals(2, run(Map.of("LESHAN_SERVER_LOG_FORMAT", "JSON"), "server"));
        assertTrue(output.toString().startsWith("LESHAN_SERVER_LOG_FORMAT: one of text, json is expected, not 'JSON'."),
                output.toString());
        assertEquals(2, run(Map.of("LESHAN_SERVER_LOG", "info"), "server", "--no-coap", "--data", folder.toString()));
        assertTrue(output.toString().startsWith("--no-coap leaves"), output.toString());
    }

    @Test
    void aMisspelledOptionIsRefusedWithASuggestionAlsoInAFile() throws Exception {
        Path settings = Files.writeString(folder.resolve("settings"), "# ports\n--http-prot 8080\n");
        for (String[] arguments : new String[][] {{"--http-prot", "8080"}, {"@" + settings}}) {
            assertEquals(2, run(Map.of(), Stream.concat(Stream.of("server"), Stream.of(arguments)).toArray(String[]::new)));
            assertEquals("Unknown option --http-prot. Did you mean --http-port?" + HELP, output.toString());
        }
        assertEquals(2, run(Map.of(), "server", "@no-such-file"));
        assertEquals("The settings file no-such-file does not exist." + HELP, output.toString());
    }

    @Test
    void aSettingOfCaliforniumIsCheckedByItsOwnDefinition() {
        for (String[] each : new String[][] {
            {"COAP.ACK_TIMEUOT=3[s]", "Californium has no setting COAP.ACK_TIMEUOT. Did you mean COAP.ACK_TIMEOUT?"},
            {"COAP.MAX_RETRANSMIT=many", "Key 'COAP.MAX_RETRANSMIT': value 'many' is no Integer"},
            {"COAP.PREFERRED_BLOCK_SIZE=8", "Key 'COAP.PREFERRED_BLOCK_SIZE': "},
            {"COAP.ACK_TIMEOUT=", "Key 'COAP.ACK_TIMEOUT': textual value must not be empty"},
            {"COAP.ACK_TIMEOUT", "KEY=VALUE is expected, not 'COAP.ACK_TIMEOUT'."},
            {"COAP.MAX_RESOURCE_BODY_SIZE=1", "COAP.MAX_RESOURCE_BODY_SIZE is set by --max-body."}}) {
            assertRefused("--coap-setting: " + each[1], "--coap-setting", each[0]);
        }
        // Valid settings, several in one: another option is refused.
        assertRefused("--no-coap", "--no-coap", "--coap-setting", "COAP.ACK_TIMEOUT=3[s] COAP.MAX_RETRANSMIT=6",
                "--coap-setting", "DTLS.MAX_CONNECTIONS=20000");
    }

    @Test
    void rulesOfRegistrationAreCheckedAtTheStart() throws Exception {
        assertRefused("--registration-allow: cannot read", "--registration-allow", "no-such-file");
        assertRefused("--registration-webhook: an http", "--registration-webhook", "ftp://localhost/");
        assertRefused("--registration-webhook-token-file needs", "--registration-webhook-token-file", "x");
        assertRefused("--registration-cache-seconds: ", "--registration-cache-seconds", "-1");
        assertRefused("need --mode production", "--mode", "stock", "--registration-webhook", "http://localhost/");
    }

    @Test
    void aBadOptionIsAnsweredWithOneLine() {
        assertEquals(2, run(Map.of(), "server", "--coap-port", "x"));
        assertEquals(1, output.toString().lines().count(), output.toString());
    }

    @Test
    void aServerThatAnyCallerCouldUseDoesNotStart() {
        assertRefused("The REST API at 0.0.0.0 would be open to every caller", "--http-host", "0.0.0.0");
        assertRefused("would be without security", "--coap-host", "0.0.0.0");
        assertRefused("leaves no port for devices", "--no-coap");
        assertRefused("--coaps-cert and --coaps-key belong together", "--coaps-cert", "server.pem");
        assertRefused("the address no.such.host.invalid is unknown", "--host", "no.such.host.invalid");
        assertRefused("--api-token-file: cannot read", "--api-token-file", "no-such-file");
    }

    @Test
    void aServerWithUnusableOptionsDoesNotStart() throws Exception {
        for (String bad : List.of("--max-open-calls 0", "--max-body 0", "--drain-seconds -1", "--awake-time 0",
                "--awake-time -1", "--awake-time NaN", "--awake-time 1e9", "--outbox-bytes 0", "--outbox-hours 0",
                "--outbox-hours 9223372036854775807", "--replay-bytes -1", "--replay-hours -1", "--webhook-timeout 0",
                "--webhook-timeout 601", "--http-port 65536",
                "--coap-port -1", "--coaps-port 65536", "--webhook-url dev:1", "--webhook-url http:/events",
                "--webhook-url http://localhost:65536/", "--webhook-url ftp://localhost/",
                "--webhook-url http://a_b:x/")) {
            assertRefused(bad.split(" ")[0] + ": ", bad.split(" "));
        }
        for (String unreadable : List.of("http://a b", "http://")) {
            assertRefused("'--webhook-url'", "--webhook-url", unreadable);
        }
    }

    @Test
    void aSecretMustBeOneOfStandardWebhooks() throws Exception {
        Path file = folder.resolve("secret");
        for (String bad : List.of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_" + encoded(23),
                "whsec_" + encoded(65), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-", "whsec_" + encoded(24) + "=",
                "whsec_" + encoded(24) + " whsec_x")) {
            Files.writeString(file, bad);
            assertRefused("--webhook-secret-file: `whsec_` and base64 of 24 to 64 bytes are expected",
                    "--webhook-secret-file", file.toString());
        }
        Files.writeString(file, "t\u00f6ken");
        assertRefused("--webhook-token-file: one token of printable ASCII is expected",
                "--webhook-token-file", file.toString());
        for (int bytes : new int[] {24, 25, 64}) {
            Files.writeString(file, "whsec_" + encoded(bytes) + "\n");
            // The secret is valid: another option is refused.
            assertRefused("--no-coap", "--no-coap", "--webhook-secret-file", file.toString());
        }
    }

    @Test
    void filesOfTheWebhooksTlsAreChecked() throws Exception {
        TestCertificates made = new TestCertificates(folder);
        made.authority("one");
        made.authority("two");
        String certificate = made.certificate("one").toString();
        String key = made.key("one").toString();
        String url = "https://127.0.0.1:1/";
        Path empty = Files.createFile(folder.resolve("empty.pem"));
        assertRefused("--webhook-cert and --webhook-key belong together",
                "--webhook-url", url, "--webhook-cert", certificate);
        assertRefused("--webhook-key: the key in " + made.key("two") + " is not that of the certificate",
                "--webhook-url", url, "--webhook-cert", certificate, "--webhook-key", made.key("two").toString());
        assertRefused("--webhook-ca: cannot read", "--webhook-url", url, "--webhook-ca", "no-such-file");
        assertRefused("--webhook-ca: there is no certificate", "--webhook-url", url, "--webhook-ca", empty.toString());
        assertRefused("--webhook-ca: there is no certificate", "--webhook-url", url, "--webhook-ca", key);
        assertRefused("--webhook-key: there is no private key",
                "--webhook-url", url, "--webhook-cert", certificate, "--webhook-key", certificate);
        assertRefused("need an https address", "--webhook-ca", certificate);
        assertRefused("need an https address", "--webhook-url", "http://127.0.0.1:1/", "--webhook-ca", certificate);
        // All of these are valid: another option is refused.
        assertRefused("--no-coap", "--no-coap", "--webhook-url", url, "--webhook-ca", certificate, "--webhook-cert",
                certificate, "--webhook-key", key);
    }

    private static String encoded(int bytes) {
        return Base64.getEncoder().encodeToString(new byte[bytes]);
    }

    @Test
    void anIpv6AddressHasBrackets() {
        assertEquals("coap://[::1]:5683", Main.uri("::1", 5683));
        assertEquals("coap://127.0.0.1:5683", Main.uri("127.0.0.1", 5683));
    }

    private void assertRefused(String sentence, String... options) {
        Stream<String> arguments = Stream.concat(Stream.of("server", "--data", folder.toString()), Stream.of(options));
        assertEquals(2, run(Map.of(), arguments.toArray(String[]::new)));
        assertTrue(output.toString().toLowerCase(Locale.ROOT).contains(sentence.toLowerCase(Locale.ROOT)),
                output.toString());
        assertEquals(1, output.toString().lines().count(), output.toString());
    }

    private int run(Map<String, String> environment, String... arguments) {
        output.getBuffer().setLength(0);
        CommandLine command = Main.commandLine(environment);
        command.setOut(new PrintWriter(output, true)).setErr(new PrintWriter(output, true));
        return command.execute(arguments);
    }
}
