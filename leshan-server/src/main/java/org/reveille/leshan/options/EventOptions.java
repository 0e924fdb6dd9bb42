package org.reveille.leshan.options;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import org.reveille.leshan.SettingException;
import org.reveille.leshan.events.Outbox;
import org.reveille.leshan.security.ClientTls;
import picocli.CommandLine.Option;

/** Options of events in production mode: the webhook, and how much is stored for it and for listeners. */
@Section("Events (production mode)")
public final class EventOptions {
    static final String SECRET_VARIABLE = "LESHAN_SERVER_WEBHOOK_SECRET";
    static final String TOKEN_VARIABLE = "LESHAN_SERVER_WEBHOOK_TOKEN";
    private static final String SECRET_PREFIX = "whsec_";
    /** According to Standard Webhooks. */
    private static final int SHORTEST_SECRET = 24;
    private static final int LONGEST_SECRET = 64;
    /** Characters that are allowed in a header. */
    private static final Pattern TOKEN = Pattern.compile("[!-~]+");
    private static final long LONGEST_HOURS = 1_000_000;
    private static final int LONGEST_TIMEOUT_S = 600;

    @Option(names = "--webhook-url", paramLabel = "URL",
            description = "Post events to this address, such as http://127.0.0.1:8000/leshan/events of Reveille.")
    URI webhook;

    @Option(names = "--webhook-secret-file", paramLabel = "FILE",
            description = "Sign posts according to Standard Webhooks with the secrets (whsec_..) in this file, one per "
                    + "line; two while a secret is being replaced. The environment variable " + SECRET_VARIABLE
                    + " can contain them instead, separated by spaces.")
    Path secretFile;

    @Option(names = "--webhook-token-file", paramLabel = "FILE",
            description = "Send `Authorization: Bearer` with the token in this file. The environment variable "
                    + TOKEN_VARIABLE + " can contain it instead.")
    Path tokenFile;

    @Option(names = "--webhook-ca", paramLabel = "FILE",
            description = "Accept the certificate of an https webhook only if one of these authorities has signed it: "
                    + "PEM (default: the authorities of Java).")
    Path authorities;

    @Option(names = "--webhook-cert", paramLabel = "FILE",
            description = "Present this certificate to an https webhook: PEM, intermediate certificates included.")
    Path certificate;

    @Option(names = "--webhook-key", paramLabel = "FILE", description = "Private key of --webhook-cert: PEM, PKCS #8.")
    Path key;

    @Option(names = "--webhook-timeout", defaultValue = "30", paramLabel = "SECONDS",
            description = "How long one post may take, from the connection to the last byte of the response; then "
                    + "it is repeated. Establishing the connection is limited to 10 s (default: ${DEFAULT-VALUE}).")
    int timeoutSeconds;

    @Option(names = "--outbox-bytes", defaultValue = "268435456", paramLabel = "BYTES",
            description = "Maximum size of events that wait for the webhook; beyond it presence is coalesced, then the "
                    + "oldest events are dropped (default: ${DEFAULT-VALUE}).")
    long maxBytes;

    @Option(names = "--outbox-hours", defaultValue = "168", paramLabel = "HOURS",
            description = "How long an event may wait before it is dropped (default: ${DEFAULT-VALUE}).")
    long maxHours;

    @Option(names = "--replay-bytes", defaultValue = "67108864", paramLabel = "BYTES",
            description = "Maximum size of delivered events that are kept for listeners of /api/event that reconnect "
                    + "(default: ${DEFAULT-VALUE}).")
    long replayBytes;

    @Option(names = "--replay-hours", defaultValue = "24", paramLabel = "HOURS",
            description = "How long delivered events are kept (default: ${DEFAULT-VALUE}).")
    long replayHours;

    /**
     * Returns the options of the outbox.
     *
     * @throws SettingException if a secret cannot sign, or the webhook's options are invalid
     */
    Outbox.Options outbox(String server) {
        check();
        List<String> secrets = words("--webhook-secret-file", secretFile, System.getenv(SECRET_VARIABLE));
        List<String> tokens = words("--webhook-token-file", tokenFile, System.getenv(TOKEN_VARIABLE));
        if (!secrets.stream().allMatch(EventOptions::isSecret)) {
            throw new SettingException("--webhook-secret-file: `whsec_` and base64 of " + SHORTEST_SECRET + " to "
                    + LONGEST_SECRET + " bytes are expected (Standard Webhooks).");
        }
        if (tokens.size() > 1 || !tokens.stream().allMatch(token -> TOKEN.matcher(token).matches())) {
            throw new SettingException("--webhook-token-file: one token of printable ASCII is expected.");
        }
        return new Outbox.Options(server, webhook, secrets, tokens.isEmpty() ? null : tokens.get(0), maxBytes,
                Duration.ofHours(maxHours), replayBytes, Duration.ofHours(replayHours),
                Duration.ofSeconds(timeoutSeconds), tls());
    }

    private void check() {
        Bounds.check("--webhook-timeout", timeoutSeconds, 1, LONGEST_TIMEOUT_S);
        Bounds.check("--outbox-bytes", maxBytes, 1, Long.MAX_VALUE);
        Bounds.check("--outbox-hours", maxHours, 1, LONGEST_HOURS);
        Bounds.check("--replay-bytes", replayBytes, 0, Long.MAX_VALUE);
        Bounds.check("--replay-hours", replayHours, 0, LONGEST_HOURS);
        if (webhook != null) {
            Addresses.http("--webhook-url", webhook);
        }
    }

    /**
     * Returns the TLS context. Files for a webhook without TLS are an error: posts would be sent unencrypted, to any
     * receiver.
     */
    private SSLContext tls() {
        SSLContext context = ClientTls.read("--webhook", authorities, certificate, key);
        if (context != null && (webhook == null || !"https".equalsIgnoreCase(webhook.getScheme()))) {
            throw new SettingException("--webhook-ca and --webhook-cert need an https address in --webhook-url.");
        }
        return context;
    }

    private static boolean isSecret(String text) {
        try {
            int bytes = text.startsWith(SECRET_PREFIX)
                    ? Base64.getDecoder().decode(text.substring(SECRET_PREFIX.length())).length : 0;
            return bytes >= SHORTEST_SECRET && bytes <= LONGEST_SECRET;
        } catch (IllegalArgumentException noBase64) {
            return false;
        }
    }

    private static List<String> words(String option, Path file, String variable) {
        if (file == null) {
            return variable == null ? List.of() : split(variable);
        }
        try {
            return split(Files.readString(file));
        } catch (IOException unreadable) {
            throw new SettingException(option + ": cannot read " + file);
        }
    }

    private static List<String> split(String text) {
        return List.of(text.split("\\s+")).stream().filter(word -> !word.isEmpty()).toList();
    }
}
