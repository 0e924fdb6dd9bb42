package org.reveille.leshan.options;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.reveille.leshan.Reload;
import org.reveille.leshan.SettingException;
import org.reveille.leshan.security.ApiTokens;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;
import org.reveille.leshan.server.HttpSettings;
import picocli.CommandLine.Option;

/** Options of the REST API: its address and its access control. */
@Section("REST API and event stream")
public final class HttpOptions {
    /** A token on the command line could be read by every user of the machine, so there is no option for it. */
    static final String TOKEN_VARIABLE = "LESHAN_SERVER_API_TOKEN";

    @Option(names = "--http-host", paramLabel = "ADDRESS",
            description = "Address to bind (default: that of --host). If it is not loopback, a token or "
                    + "--https-client-ca is required.")
    String host;

    @Option(names = "--http-port", defaultValue = "8080", paramLabel = "PORT",
            description = "Port of the REST API; 0 chooses a free port (default: ${DEFAULT-VALUE}).")
    int port;

    @Option(names = "--api-token-file", paramLabel = "FILE",
            description = "Require `Authorization: Bearer TOKEN` with a token of this file, one per line. The "
                    + "environment variable " + TOKEN_VARIABLE + " can contain one token instead.")
    Path tokenFile;

    @Option(names = "--https-cert", paramLabel = "FILE",
            description = "Serve HTTPS with this certificate: PEM, intermediate certificates included.")
    Path certificate;

    @Option(names = "--https-key", paramLabel = "FILE", description = "Private key of --https-cert: PEM, PKCS #8.")
    Path key;

    @Option(names = "--https-client-ca", paramLabel = "FILE",
            description = "Require client certificates that were signed by one of these authorities: PEM.")
    Path clientAuthorities;

    @Option(names = "--http-name", paramLabel = "NAME", split = ",",
            description = "Further host name under which the API may be called without a token, such as that of a "
                    + "proxy, besides localhost, --http-host and numeric addresses. Can be repeated.")
    List<String> names = List.of();

    /**
     * Returns the settings.
     *
     * @param reload reloads the certificate and the tokens
     * @throws SettingException if every caller of other machines would have access
     */
    HttpSettings settings(String address, String environmentToken, Reload reload) {
        Bounds.checkPort("--http-port", port);
        Identity identity = Identity.read("--https", certificate, key, "--https-client-ca", clientAuthorities);
        ApiTokens access = new ApiTokens(tokens(environmentToken));
        if (!access.needsToken() && !identity.requiresCertificates() && !Addresses.isLoopback(address)) {
            throw new SettingException("The REST API at " + address + " would be open to every caller: set a token ("
                    + TOKEN_VARIABLE + " or --api-token-file), give --https-client-ca, or bind 127.0.0.1 "
                    + "with --http-host.");
        }
        reload.add(identity::reload);
        if (access.needsToken()) {
            reload.add(() -> access.replace(tokens(environmentToken)));
        }
        return new HttpSettings(address, port, identity, access, new Origins(address, names));
    }

    private List<String> tokens(String environmentToken) {
        if (environmentToken != null && tokenFile != null) {
            throw new SettingException("Give either " + TOKEN_VARIABLE + " or --api-token-file, not both.");
        }
        if (environmentToken != null) {
            return nonEmpty(TOKEN_VARIABLE, List.of(environmentToken));
        }
        return tokenFile == null ? List.of() : nonEmpty("--api-token-file", lines());
    }

    /** Returns the tokens. An empty token must not allow access that the operator intended to restrict. */
    private static List<String> nonEmpty(String setting, List<String> lines) {
        List<String> tokens = lines.stream().map(String::strip).filter(line -> !line.isEmpty()).toList();
        if (tokens.isEmpty()) {
            throw new SettingException(setting + " contains no token.");
        }
        return tokens;
    }

    private List<String> lines() {
        try {
            return Files.readAllLines(tokenFile);
        } catch (IOException unreadable) {
            throw new SettingException("--api-token-file: cannot read " + tokenFile);
        }
    }

    static String environmentToken() {
        return System.getenv(TOKEN_VARIABLE);
    }
}
