package org.reveille.leshan.options;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.reveille.leshan.BadSetting;
import org.reveille.leshan.events.Outbox;
import picocli.CommandLine.Option;

/** Who is told of events in production mode, and how much is kept for him. */
@Section("Events (production mode)")
public final class EventOptions {
    private static final String SECRET_VARIABLE = "LESHAN_SERVER_WEBHOOK_SECRET";
    private static final String TOKEN_VARIABLE = "LESHAN_SERVER_WEBHOOK_TOKEN";
    private static final Pattern SECRET = Pattern.compile("whsec_[A-Za-z0-9+/]{16,}={0,2}");

    @Option(names = "--webhook-url", paramLabel = "URL",
            description = "Post events there, such as http://127.0.0.1:8000/leshan/events of Reveille.")
    URI webhook;

    @Option(names = "--webhook-secret-file", paramLabel = "FILE",
            description = "Sign posts as Standard Webhooks say: a secret (whsec_..) a line, two while one takes the "
                    + "other's place. The environment variable " + SECRET_VARIABLE + " can hold them, separated by "
                    + "spaces.")
    Path secretFile;

    @Option(names = "--webhook-token-file", paramLabel = "FILE",
            description = "Send `Authorization: Bearer` with the token in this file. The environment variable "
                    + TOKEN_VARIABLE + " can hold it.")
    Path tokenFile;

    @Option(names = "--outbox-bytes", defaultValue = "268435456", paramLabel = "BYTES",
            description = "How much may wait for the webhook; then presence is coalesced, and the oldest dropped "
                    + "(default: ${DEFAULT-VALUE}).")
    long maxBytes;

    @Option(names = "--outbox-hours", defaultValue = "168", paramLabel = "HOURS",
            description = "How long an event may wait before it is dropped (default: ${DEFAULT-VALUE}).")
    long maxHours;

    @Option(names = "--replay-bytes", defaultValue = "67108864", paramLabel = "BYTES",
            description = "How much is kept after delivery, for listeners of /api/event who come back "
                    + "(default: ${DEFAULT-VALUE}).")
    long replayBytes;

    @Option(names = "--replay-hours", defaultValue = "24", paramLabel = "HOURS",
            description = "How long it is kept (default: ${DEFAULT-VALUE}).")
    long replayHours;

    /** @throws BadSetting when a secret could not sign, or there is nobody to sign for */
    Outbox.Options outbox(String server) {
        List<String> secrets = words("--webhook-secret-file", secretFile, System.getenv(SECRET_VARIABLE));
        List<String> tokens = words("--webhook-token-file", tokenFile, System.getenv(TOKEN_VARIABLE));
        if (!secrets.stream().allMatch(secret -> SECRET.matcher(secret).matches())) {
            throw new BadSetting("A webhook secret is `whsec_` and base64 of 16 bytes or more.");
        }
        if (tokens.size() > 1) {
            throw new BadSetting("There can be one webhook token.");
        }
        if (webhook != null && !List.of("http", "https").contains(String.valueOf(webhook.getScheme()))) {
            throw new BadSetting("--webhook-url: an http or https address is expected.");
        }
        return new Outbox.Options(server, webhook, secrets, tokens.isEmpty() ? null : tokens.get(0), maxBytes,
                Duration.ofHours(maxHours), replayBytes, Duration.ofHours(replayHours));
    }

    private static List<String> words(String option, Path file, String variable) {
        if (file == null) {
            return variable == null ? List.of() : split(variable);
        }
        try {
            return split(Files.readString(file));
        } catch (IOException unreadable) {
            throw new BadSetting(option + ": cannot read " + file);
        }
    }

    private static List<String> split(String text) {
        return List.of(text.split("\\s+")).stream().filter(word -> !word.isEmpty()).toList();
    }
}
