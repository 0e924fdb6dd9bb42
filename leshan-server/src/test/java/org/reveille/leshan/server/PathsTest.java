package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PathsTest {
    @ParameterizedTest
    @CsvSource({"dev-1,dev-1", "a%2Fb,a/b", "a%25c,a%c", "a+b,a+b", "a%2bb,a+b", "x;y=1,x;y=1", "%2e%2E,..",
        "n%C3%A4me%20%E2%82%AC,näme €", "urn:imei:1,urn:imei:1"})
    void aSegmentIsDecodedOnce(String segment, String name) {
        assertEquals(name, Paths.decode(segment));
    }

    @Test
    void anEncodedPercentSignIsNotDecodedTwice() {
        assertEquals("a%2Fb", Paths.decode("a%252Fb"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"%", "a%2", "%zz", "%-1", "%C3", "%C0%AF", "%FF"})
    void pathsThatAreNotPercentEncodedUtf8AreRefused(String segment) {
        assertThrows(InvalidRequestException.class, () -> Paths.decode(segment));
    }
}
