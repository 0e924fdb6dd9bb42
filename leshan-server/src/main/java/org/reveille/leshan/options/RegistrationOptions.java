package org.reveille.leshan.options;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Pattern;
import org.reveille.leshan.Reload;
import org.reveille.leshan.SettingException;
import org.reveille.leshan.registration.AllowList;
import org.reveille.leshan.registration.RegistrationRules;
import org.reveille.leshan.registration.RegistrationWebhook;
import picocli.CommandLine.Option;

/** Options that restrict which devices may register, in addition to their credentials. */
@Section("Registration (production mode)")
public final class RegistrationOptions {
    private static final int LONGEST_CACHE_S = 86_400;
    private static final Pattern TOKEN = Pattern.compile("[!-~]+");

    @Option(names = "--registration-allow", paramLabel = "FILE",
            description = "Endpoint names that may register, one per line: * matches any characters, ? matches one "
                    + "(default: all names).")
    Path allowed;

    @Option(names = "--registration-webhook", paramLabel = "URL",
            description = "Post each device that registers to this address: 2xx allows the registration, 403 refuses "
                    + "it.")
    URI webhook;

    @Option(names = "--registration-webhook-token-file", paramLabel = "FILE",
            description = "Send `Authorization: Bearer` with the token in this file to the registration webhook.")
    Path tokenFile;

    @Option(names = "--registration-cache-seconds", defaultValue = "300", paramLabel = "SECONDS",
            description = "How long a decision is used without another post (default: ${DEFAULT-VALUE}).")
    int cacheSeconds;

    /**
     * Returns the rules.
     *
     * @throws SettingException if a file cannot be used, or the address is invalid
     */
    RegistrationRules rules(String server, Reload reload) {
        Bounds.check("--registration-cache-seconds", cacheSeconds, 0, LONGEST_CACHE_S);
        if (tokenFile != null && webhook == null) {
            throw new SettingException("--registration-webhook-token-file needs --registration-webhook.");
        }
        AllowList list = allowed == null ? null : new AllowList(allowed);
        if (list != null) {
            reload.add(list::reload);
        }
        return new RegistrationRules(list, webhook == null ? null : new RegistrationWebhook.Options(
                Addresses.http("--registration-webhook", webhook), token(), server, Duration.ofSeconds(cacheSeconds)));
    }

    boolean isEmpty() {
        return allowed == null && webhook == null && tokenFile == null;
    }

    private String token() {
        if (tokenFile == null) {
            return null;
        }
        try {
            String token = Files.readString(tokenFile).strip();
            if (TOKEN.matcher(token).matches()) {
                return token;
            }
        } catch (IOException unreadable) {
            throw new SettingException("--registration-webhook-token-file: cannot read " + tokenFile);
        }
        throw new SettingException("--registration-webhook-token-file: one token of printable ASCII is expected.");
    }
}
