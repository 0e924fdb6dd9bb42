package org.reveille.leshan.devices;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The content of a firmware package: a line {@code FIRMWARE version digest}, then the image, with the digest as its
 * SHA-256.
 *
 * @param version the value of 3/0/3 after the update
 * @param result 0, or the error of the package as a value of resource 5/0/5
 */
record FirmwarePackage(String version, long result) {
    static final long INTEGRITY_FAILURE = 5;
    static final long UNSUPPORTED_TYPE = 6;
    private static final Pattern HEADER = Pattern.compile("FIRMWARE (\\S{1,64}) ([0-9a-f]{64})\n");
    private static final int LONGEST_HEADER = 160;

    static FirmwarePackage read(byte[] bytes) {
        String start = new String(bytes, 0, Math.min(bytes.length, LONGEST_HEADER), StandardCharsets.ISO_8859_1);
        Matcher header = HEADER.matcher(start);
        if (!header.lookingAt()) {
            return new FirmwarePackage(null, UNSUPPORTED_TYPE);
        }
        byte[] image = Arrays.copyOfRange(bytes, header.end(), bytes.length);
        boolean whole = sha256(image).equals(header.group(2));
        return new FirmwarePackage(header.group(1), whole ? 0 : INTEGRITY_FAILURE);
    }

    private static String sha256(byte[] image) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
