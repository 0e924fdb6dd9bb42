package org.reveille.leshan.security;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/** Authorizes callers of the REST API: those that send one of the tokens. Only the tokens' digests are stored. */
public final class ApiTokens {
    private static final String SCHEME = "Bearer ";

    private volatile List<byte[]> digests;

    /**
     * Creates the check.
     *
     * @param tokens several may be valid at a time, so that they can be changed; an empty list allows every caller
     */
    public ApiTokens(List<String> tokens) {
        digests = tokens.stream().map(ApiTokens::digest).toList();
    }

    /**
     * Replaces all tokens.
     *
     * @throws IllegalArgumentException if there are none, which would allow every caller
     */
    public void replace(List<String> tokens) {
        if (tokens.isEmpty()) {
            throw new IllegalArgumentException("a token is needed");
        }
        digests = tokens.stream().map(ApiTokens::digest).toList();
    }

    public boolean needsToken() {
        return !digests.isEmpty();
    }

    /**
     * Returns whether a caller is allowed.
     *
     * @param authorization the HTTP header of that name, or null
     */
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
            // All digests are compared, each in constant time: the duration reveals nothing about any token.
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
