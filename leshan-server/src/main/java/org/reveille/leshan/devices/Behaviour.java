package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.reveille.leshan.json.Json;

/**
 * How a device treats the requests under a path.
 *
 * @param path the path and all below it; the root stands for every request, composite ones included
 * @param refusal the code it answers instead of carrying the request out, or null
 * @param text the text of the refusal, or null
 * @param delayMillis how late it answers what it carried out at once; 0 for at once
 * @param silent it carries the request out and never answers
 * @param ignored it neither carries the request out nor answers
 * @param times how many requests it is for; 0 for all that come
 */
record Behaviour(LwM2mPath path, ResponseCode refusal, String text, long delayMillis, boolean silent, boolean ignored,
        int times) {
    private static final Pattern CODE = Pattern.compile("([45])\\.(\\d\\d)");

    /** @throws IllegalArgumentException for a code that is none of CoAP's errors, or a bad path */
    static Behaviour read(JsonNode json) {
        JsonNode refuse = json.get("refuse");
        return new Behaviour(
                new LwM2mPath(json.path("path").asText("/")),
                refuse == null ? null : code(refuse.asText()),
                json.hasNonNull("text") ? json.get("text").asText() : null,
                json.path("delayMs").asLong(0),
                json.path("silent").asBoolean(false),
                json.path("ignore").asBoolean(false),
                json.path("times").asInt(0));
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("path", path.toString());
        if (refusal != null) {
            json.put("refuse", String.format("%d.%02d", refusal.getCode() / 100, refusal.getCode() % 100));
            json.put("text", text);
        }
        return json.put("delayMs", delayMillis).put("silent", silent).put("ignore", ignored).put("times", times);
    }

    boolean isFor(LwM2mPath requested) {
        return requested.startWith(path);
    }

    Behaviour once() {
        return new Behaviour(path, refusal, text, delayMillis, silent, ignored, times - 1);
    }

    private static ResponseCode code(String text) {
        Matcher matcher = CODE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("a code like 4.05 is expected, not " + text);
        }
        return ResponseCode.fromCode(Integer.parseInt(matcher.group(1) + matcher.group(2)));
    }
}
