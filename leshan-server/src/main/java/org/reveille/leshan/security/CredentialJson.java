package org.reveille.leshan.security;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import org.eclipse.leshan.core.security.util.SecurityUtil;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.reveille.leshan.json.Json;

/**
 * Converts credentials from and to the form of the stock demo server's {@code /api/security}, with keys in hex.
 * Responses contain no secrets, and no error message contains any part of a body.
 */
public final class CredentialJson {
    /** Bytes; RFC 4279, section 5.3: the length that every implementation must support. */
    private static final int LONGEST_IDENTITY = 128;
    private static final int LONGEST_KEY = 64;
    private static final HexFormat HEX = HexFormat.of();

    private CredentialJson() {
    }

    /**
     * Parses credentials.
     *
     * @throws IllegalArgumentException with a message that repeats nothing of the text
     */
    public static SecurityInfo read(String text) {
        JsonNode json = parse(text);
        String endpoint = text(json, "endpoint");
        if (!json.has("tls")) {
            throw new IllegalArgumentException("tls is missing: only DTLS credentials are supported, not OSCORE");
        }
        JsonNode details = json.path("tls").path("details");
        return switch (json.path("tls").path("mode").asText()) {
            case "psk" -> psk(endpoint, details);
            case "rpk" -> SecurityInfo.newRawPublicKeyInfo(endpoint, publicKey(details));
            case "x509" -> SecurityInfo.newX509CertInfo(endpoint);
            default -> throw new IllegalArgumentException("tls.mode must be psk, rpk or x509");
        };
    }

    /** Returns the public part of credentials: all but the secret. */
    public static ObjectNode write(SecurityInfo info) {
        ObjectNode json = Json.object().put("endpoint", info.getEndpoint());
        ObjectNode tls = json.putObject("tls");
        if (info.usePSK()) {
            tls.put("mode", "psk").putObject("details").put("identity", info.getPskIdentity());
        } else if (info.useRPK()) {
            tls.put("mode", "rpk").putObject("details")
                    .put("key", HEX.formatHex(info.getRawPublicKey().getEncoded()));
        } else {
            tls.put("mode", "x509");
        }
        return json;
    }

    /** Returns the same with the secret, only for the server's own file. */
    static ObjectNode writeSecret(SecurityInfo info) {
        ObjectNode json = write(info);
        if (info.usePSK()) {
            json.withObject("/tls/details").put("key", HEX.formatHex(info.getPreSharedKey()));
        }
        return json;
    }

    /** Returns the server's certificate in the stock server's form; an empty object if it has none. */
    public static ObjectNode write(Identity server) {
        ObjectNode json = Json.object();
        if (server.exists()) {
            X509Certificate certificate = server.chain()[0];
            ObjectNode written = json.putObject("certificate");
            if (certificate.getPublicKey() instanceof ECPublicKey key) {
                written.set("pubkey", publicKey(key));
            }
            written.put("b64Der", base64(encoded(certificate)));
        }
        return json;
    }

    private static SecurityInfo psk(String endpoint, JsonNode details) {
        String identity = text(details, "identity");
        if (identity.getBytes(StandardCharsets.UTF_8).length > LONGEST_IDENTITY) {
            throw new IllegalArgumentException("identity is longer than " + LONGEST_IDENTITY + " bytes");
        }
        byte[] key = hex(details);
        if (key.length > LONGEST_KEY) {
            throw new IllegalArgumentException("key is longer than " + LONGEST_KEY + " bytes");
        }
        return SecurityInfo.newPreSharedKeyInfo(endpoint, identity, key);
    }

    private static PublicKey publicKey(JsonNode details) {
        try {
            return SecurityUtil.publicKey.decode(hex(details));
        } catch (GeneralSecurityException | IOException unreadable) {
            throw new IllegalArgumentException("key is not a public key (SubjectPublicKeyInfo, DER, in hex)");
        }
    }

    private static byte[] hex(JsonNode details) {
        try {
            return HEX.parseHex(text(details, "key"));
        } catch (IllegalArgumentException unreadable) {
            throw new IllegalArgumentException("key must be hex digits, two per byte");
        }
    }

    private static String text(JsonNode json, String field) {
        if (!json.path(field).isTextual() || json.get(field).asText().isEmpty()) {
            throw new IllegalArgumentException(field + " is missing");
        }
        return json.get(field).asText();
    }

    private static JsonNode parse(String text) {
        try {
            JsonNode json = Json.read(text);
            if (json.isObject()) {
                return json;
            }
        } catch (JsonProcessingException secretInside) {
            // The parser's message may quote the body.
        }
        throw new IllegalArgumentException("the body is not a JSON object");
    }

    private static ObjectNode publicKey(ECPublicKey key) {
        return Json.object().put("x", HEX.formatHex(unsigned(key.getW().getAffineX().toByteArray())))
                .put("y", HEX.formatHex(unsigned(key.getW().getAffineY().toByteArray())))
                .put("params", key.getParams().toString())
                .put("b64Der", base64(key.getEncoded()));
    }

    private static byte[] unsigned(byte[] number) {
        return number[0] == 0 ? Arrays.copyOfRange(number, 1, number.length) : number;
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    private static byte[] encoded(X509Certificate certificate) {
        try {
            return certificate.getEncoded();
        } catch (CertificateEncodingException e) {
            throw new IllegalStateException("a certificate that was read can be written", e);
        }
    }
}
