package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpURI;
import org.eclipse.jetty.server.Request;
import org.junit.jupiter.api.Test;

class HttpCallTest {
    @Test
    void aTimeoutIsNeverNegative() {
        Map<String, Long> millis = new HashMap<>(Map.of("0", 0L, "-1", 0L, "7", 7_000L, "x", 5_000L, "1.5", 5_000L));
        millis.put(null, 5_000L);
        millis.put("9223372036854775807", 86_400_000L);
        millis.put("10000000000000000", 86_400_000L);
        millis.put("99999999999999999999", 5_000L);
        millis.forEach((timeout, expected) ->
                assertEquals(expected, call(timeout, "", 0, ApiDialect.STOCK).timeoutMillis(), timeout));
    }

    @Test
    void onlyTheStockServerDropsArgumentsThatArriveInChunks() {
        assertNull(call(null, "5", -1, ApiDialect.STOCK).arguments());
        assertEquals("5", call(null, "5", -1, ApiDialect.PRODUCTION).arguments());
        for (ApiDialect dialect : List.of(ApiDialect.STOCK, ApiDialect.PRODUCTION)) {
            assertEquals("5", call(null, "5", 1, dialect).arguments());
            assertNull(call(null, "", 0, dialect).arguments());
            assertNull(call(null, "", -1, dialect).arguments());
        }
    }

    private static HttpCall call(String timeout, String body, int length, ApiDialect dialect) {
        String query = timeout == null ? "" : "?timeout=" + timeout;
        HttpURI uri = HttpURI.from("http://127.0.0.1/api/clients/dev/3/0/4" + query);
        Map<String, Object> answers = new HashMap<>(Map.of(
                "getHttpURI", uri, "getLength", (long) length, "getHeaders", HttpFields.EMPTY));
        Request request = Fakes.answering(Request.class, answers::get);
        Request whole = new BodyReader(1, 1, Duration.ZERO).whole(request, body.getBytes(StandardCharsets.UTF_8));
        return new HttpCall(whole, List.of("dev", "3", "0", "4"), dialect);
    }
}
