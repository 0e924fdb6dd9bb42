package org.reveille.leshan.security;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.junit.jupiter.api.Test;

class OriginsTest {
    private final Origins loopback = new Origins("127.0.0.1", List.of());
    private final Origins elsewhere = new Origins("192.0.2.1", List.of());
    private final Origins proxied = new Origins("127.0.0.1", List.of("Leshan.example"));

    @Test
    void programsAndOwnPagesAreAllowed() {
        assertNull(loopback.refusal("localhost", null, null));
        for (String own : List.of("http://127.0.0.1:8080", "http://localhost", "http://LOCALHOST", "http://[::1]:8080")) {
            assertNull(loopback.refusal("localhost", own, null), own);
            assertNull(new Origins("localhost", List.of()).refusal("localhost", own, null), own);
        }
        assertNull(elsewhere.refusal(null, "http://192.0.2.1:8080", null));
        assertNull(new Origins("2001:db8::1", List.of()).refusal(null, "http://[2001:db8::1]:8080", null));
    }

    @Test
    void pagesOfOtherSitesAreRefused() {
        for (String foreign : List.of("https://example.com", "http://127.0.0.1.example.com", "null", "", "%",
                "http://localhost@example.com", "http://192.0.2.2:8080", "https://leshan.example")) {
            assertNotNull(loopback.refusal("localhost", foreign, null), foreign);
            assertNotNull(elsewhere.refusal(null, foreign, null), foreign);
        }
        assertNotNull(elsewhere.refusal(null, "http://localhost", null));
    }

    @Test
    void aBrowserRequestWithoutAnOriginIsRefusedByItsFetchSite() {
        for (String other : List.of("cross-site", "same-site", "")) {
            assertNotNull(loopback.refusal("localhost", null, other), other);
            assertNotNull(elsewhere.refusal(null, null, other), other);
        }
        for (String own : List.of("same-origin", "none")) {
            assertNull(loopback.refusal("localhost", null, own), own);
        }
        // A page on another port of this machine has its own origin.
        assertNull(loopback.refusal("localhost", "http://localhost:3000", "same-site"));
    }

    @Test
    void anotherNameInTheUrlIsRefused() {
        for (String name : List.of("example.com", "localhost.example.com", "localhost.", "127.0.0.1.example.com", "",
                "1.2.3", "[::1].example.com", "leshan.example")) {
            assertNotNull(loopback.refusal(name, null, null), name);
            assertNotNull(loopback.refusal(name, null, "same-origin"), name);
        }
    }

    @Test
    void ownNamesAndNumericAddressesAreKnown() {
        for (String name : List.of("localhost", "LocalHost", "127.0.0.1", "[::1]", "127.1.2.3", "192.0.2.7", "[2001:db8::1]")) {
            assertNull(loopback.refusal(name, null, null), name);
            assertNull(elsewhere.refusal(name, null, null), name);
        }
        assertNull(proxied.refusal("leshan.example", "https://LESHAN.example", "same-origin"));
        assertNotNull(proxied.refusal("other.example", null, null));
        assertNull(new Origins("my-host", List.of()).refusal("my-host", null, null));
    }
}
