package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HexFormat;
import org.eclipse.leshan.client.object.Security;

/**
 * The credentials with which a device authenticates to its server.
 *
 * <p>{@code {"psk": {"identity": TEXT, "key": HEX}}}, or {@code {"x509": {"certificate": PEM, "key": PEM, "server":
 * PEM}}} with the certificate that the server must present, or neither, which is CoAP without security.
 */
final class DeviceCredentials {
    private enum Kind {
        NONE, PSK, X509
    }

    private final Kind kind;
    private final byte[] shown;
    private final byte[] secret;
    private final byte[] server;

    private DeviceCredentials(Kind kind, byte[] shown, byte[] secret, byte[] server) {
        this.kind = kind;
        this.shown = shown;
        this.secret = secret;
        this.server = server;
    }

    /**
     * Parses credentials.
     *
     * @throws IllegalArgumentException if a part is missing or unreadable; the message contains no secret
     */
    static DeviceCredentials read(JsonNode spec) {
        byte[] none = {};
        if (spec.hasNonNull("psk")) {
            JsonNode psk = spec.get("psk");
            return new DeviceCredentials(
                    Kind.PSK, text(psk, "identity").getBytes(StandardCharsets.UTF_8), hex(text(psk, "key")), none);
        }
        if (spec.hasNonNull("x509")) {
            JsonNode x509 = spec.get("x509");
            return new DeviceCredentials(Kind.X509, der(x509, "certificate"), der(x509, "key"), der(x509, "server"));
        }
        return new DeviceCredentials(Kind.NONE, none, none, none);
    }

    /** Returns the security object with which the client connects. */
    Security security(String server, int shortServerId) {
        return switch (kind) {
            case NONE -> Security.noSec(server, shortServerId);
            case PSK -> Security.psk(server, shortServerId, shown, secret);
            case X509 -> Security.x509(server, shortServerId, shown, secret, this.server);
        };
    }

    @Override
    public String toString() {
        return kind.name();
    }

    private static byte[] der(JsonNode json, String field) {
        String base64 = text(json, field).replaceAll("-----[A-Z ]+-----", "");
        try {
            return Base64.getMimeDecoder().decode(base64);
        } catch (IllegalArgumentException unreadable) {
            throw new IllegalArgumentException(field + " must be PEM");
        }
    }

    private static byte[] hex(String digits) {
        try {
            return HexFormat.of().parseHex(digits);
        } catch (IllegalArgumentException unreadable) {
            throw new IllegalArgumentException("key must be hex digits, two per byte");
        }
    }

    private static String text(JsonNode json, String field) {
        if (!json.path(field).isTextual()) {
            throw new IllegalArgumentException(field + " is missing in the device's credentials");
        }
        return json.get(field).asText();
    }
}
