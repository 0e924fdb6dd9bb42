package org.reveille.leshan.security;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class RegistrationAuthorizerTest {
    @Test
    void controlCharactersAreNotAllowedInNames() {
        for (String name : List.of("dev", "urn:imei:123", "a/b", "a\"b", "..", "\u00e4", "")) {
            assertTrue(RegistrationAuthorizer.isName(name), name);
        }
        for (int unusable : new int[] {0, '\t', '\n', '\r', 0x1b, 0x7f, 0x85, 0x2028, 0x2029}) {
            assertFalse(RegistrationAuthorizer.isName("a" + Character.toString(unusable)), () -> "U+" + unusable);
        }
    }
}
