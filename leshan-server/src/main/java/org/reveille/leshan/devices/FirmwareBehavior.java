package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import java.util.Set;
import org.reveille.leshan.json.Json;

/**
 * Defines how a device updates its firmware.
 *
 * @param fault the failure that it has, or null
 * @param times the number of failures; 0 for all
 * @param delivery how it receives packages: resource 5/0/9
 * @param resumes how often it resumes an interrupted download
 * @param downloadMillis time over which it reads a package over HTTP
 * @param downloadedMillis time in Downloaded before a package is lost or a deferred update starts
 * @param updateMillis time in Updating
 * @param bootMillis how long it is off when it reboots
 * @param reports how often it notifies a change of 5/0/3 or 5/0/5
 * @param reportDelayMillis delay of these notifications, which have the value of their own time
 */
record FirmwareBehavior(FirmwareFault fault, int times, Delivery delivery, int resumes, long downloadMillis,
        long downloadedMillis, long updateMillis, long bootMillis, Reports reports, long reportDelayMillis) {
    /** Duration of a state in which observers can see it. */
    static final long STEP_MS = 100;
    static final FirmwareBehavior NORMAL = read(Json.object());

    /** How a device receives packages, in the order of resource 5/0/9. */
    enum Delivery {
        PULL,
        PUSH,
        BOTH
    }

    /** How often a device notifies a change. */
    enum Reports {
        NEVER,
        ONCE,
        TWICE
    }

    private static final Set<String> KEYS = Set.of("fault", "times", "delivery", "resumes", "downloadMs",
            "downloadedMs", "updateMs", "bootMs", "reports", "reportDelayMs");

    /**
     * Parses a behavior.
     *
     * @throws IllegalArgumentException for an unknown key or name
     */
    static FirmwareBehavior read(JsonNode json) {
        json.fieldNames().forEachRemaining(key -> {
            if (!KEYS.contains(key)) {
                throw new IllegalArgumentException("a firmware behavior has no " + key);
            }
        });
        return new FirmwareBehavior(
                json.hasNonNull("fault") ? FirmwareFault.valueOf(name(json, "fault", "")) : null,
                json.path("times").asInt(0),
                Delivery.valueOf(name(json, "delivery", "both")),
                json.path("resumes").asInt(0),
                json.path("downloadMs").asLong(0),
                json.path("downloadedMs").asLong(STEP_MS),
                json.path("updateMs").asLong(STEP_MS),
                json.path("bootMs").asLong(STEP_MS),
                Reports.valueOf(name(json, "reports", "once")),
                json.path("reportDelayMs").asLong(0));
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("fault", fault == null ? null : lower(fault)).put("times", times);
        json.put("delivery", lower(delivery)).put("resumes", resumes).put("downloadMs", downloadMillis);
        json.put("downloadedMs", downloadedMillis).put("updateMs", updateMillis).put("bootMs", bootMillis);
        return json.put("reports", lower(reports)).put("reportDelayMs", reportDelayMillis);
    }

    private static String name(JsonNode json, String key, String other) {
        return json.path(key).asText(other).toUpperCase(Locale.ROOT);
    }

    private static String lower(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
