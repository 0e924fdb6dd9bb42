package org.reveille.leshan.security;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class OriginsTest {
    @Test
    void programsAndOwnPagesMayAsk() {
        assertFalse(Origins.isForeign(null, "127.0.0.1"));
        for (String own : List.of("http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080")) {
            assertFalse(Origins.isForeign(own, "127.0.0.1"), own);
            assertFalse(Origins.isForeign(own, "localhost"), own);
        }
        assertFalse(Origins.isForeign("http://192.0.2.1:8080", "192.0.2.1"));
        assertFalse(Origins.isForeign("http://[2001:db8::1]:8080", "2001:db8::1"));
    }

    @Test
    void pagesOfElsewhereMayNot() {
        for (String foreign : List.of("https://example.com", "http://127.0.0.1.example.com", "null", "", "%",
                "http://localhost@example.com", "http://192.0.2.2:8080")) {
            assertTrue(Origins.isForeign(foreign, "127.0.0.1"), foreign);
            assertTrue(Origins.isForeign(foreign, "192.0.2.1"), foreign);
        }
        assertTrue(Origins.isForeign("http://localhost", "192.0.2.1"));
    }
}
