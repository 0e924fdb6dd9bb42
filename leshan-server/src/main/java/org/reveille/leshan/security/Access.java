package org.reveille.leshan.security;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/** Who may use the REST API: whoever shows one of the tokens. Only their digests are kept. */
public final class Access {
    private static final String SCHEME = "Bearer ";

    private volatile List<byte[]> digests;

    /** @param tokens several may be good at a time, so that they can be changed; none lets everybody in */
    public Access(List<String> tokens) {
        digests = tokens.stream().map(Access::digest).toList();
    }

    /**
     * Takes other tokens in place of all those before.
     *
     * @throws IllegalArgumentException without any, which would let everybody in
     */
    public void replace(List<String> tokens) {
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("a token is needed");
        }
        digests = tokens.stream().map(Access::digest).toList();
    }

    public boolean needsToken() {
        return !digests.isEmpty();
    }

    /** @param authorization the HTTP header of that name, or null */
    public boolean allows(String authorization) {
        List<byte[]> good = digests;
        if (good.isEmpty()) {
            return true;
        }
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return false;
        }
        byte[] shown = digest(authorization.substring(SCHEME.length()).trim());
        boolean known = false;
        for (byte[] digest : good) {
            // Every one is looked at, each in constant time: how long it takes tells nothing of any token.
            known |= MessageDigest.isEqual(digest, shown);
        }
        return known;
    }

    private static byte[] digest(String token) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
