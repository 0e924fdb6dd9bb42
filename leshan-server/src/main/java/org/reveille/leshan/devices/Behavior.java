package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.reveille.leshan.json.Json;

/**
 * Defines how a device handles the requests under a path.
 *
 * @param path the path and all below it; the root matches every request, composite ones included
 * @param format only requests with a payload in this content format, or that accept only it; null for any
 * @param refusal the error code with which it responds instead of executing the request, or null
 * @param text the text of the refusal, or null
 * @param delayMillis delay of the response to a request that is executed immediately; 0 for none
 * @param silent whether it executes the request and never responds
 * @param ignored whether it neither executes the request nor responds
 * @param reboot whether and when it reboots, or null
 * @param bootMillis how long it is off in that case
 * @param times the number of requests that it applies to; 0 for all
 */
record Behavior(LwM2mPath path, ContentFormat format, ResponseCode refusal, String text, long delayMillis,
        boolean silent, boolean ignored, Reboot reboot, long bootMillis, int times) {
    /** The state of a request when the device reboots because of it. */
    enum Reboot {
        /** It was received and not executed. */
        UNDONE,
        /** It was executed and not answered. */
        UNANSWERED,
        /** It was executed and answered. */
        ANSWERED
    }

    private static final Pattern CODE = Pattern.compile("([45])\\.(\\d\\d)");

    /**
     * Parses a behavior.
     *
     * @throws IllegalArgumentException for a code that is not an error code of CoAP, or an invalid path
     */
    static Behavior read(JsonNode json) {
        return new Behavior(
                new LwM2mPath(json.path("path").asText("/")),
                text(json, "format") == null ? null : ContentFormat.fromName(text(json, "format")),
                text(json, "refuse") == null ? null : code(text(json, "refuse")),
                text(json, "text"),
                json.path("delayMs").asLong(0),
                json.path("silent").asBoolean(false),
                json.path("ignore").asBoolean(false),
                text(json, "reboot") == null ? null : Reboot.valueOf(text(json, "reboot").toUpperCase(Locale.ROOT)),
                json.path("bootMs").asLong(0),
                json.path("times").asInt(0));
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("path", path.toString());
        if (refusal != null) {
            json.put("refuse", String.format("%d.%02d", refusal.getCode() / 100, refusal.getCode() % 100));
            json.put("text", text);
        }
        if (format != null) {
            json.put("format", format.getName());
        }
        if (reboot != null) {
            json.put("reboot", reboot.name().toLowerCase(Locale.ROOT)).put("bootMs", bootMillis);
        }
        return json.put("delayMs", delayMillis).put("silent", silent).put("ignore", ignored).put("times", times);
    }

    boolean isFor(LwM2mPath requested, Request request) {
        return requested.startWith(path) && (format == null || format.getCode() == request.getOptions().getContentFormat()
                || format.getCode() == request.getOptions().getAccept());
    }

    boolean isAnswered() {
        return !silent && !ignored && (reboot == null || reboot == Reboot.ANSWERED);
    }

    boolean isCarriedOut() {
        return !ignored && refusal == null && reboot != Reboot.UNDONE;
    }

    Behavior once() {
        return new Behavior(path, format, refusal, text, delayMillis, silent, ignored, reboot, bootMillis, times - 1);
    }

    private static String text(JsonNode json, String key) {
        return json.hasNonNull(key) ? json.get(key).asText() : null;
    }

    private static ResponseCode code(String text) {
        Matcher matcher = CODE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("a code like 4.05 is expected, not " + text);
        }
        return ResponseCode.fromCode(Integer.parseInt(matcher.group(1) + matcher.group(2)));
    }
}
