package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Date;
import java.util.Locale;
import java.util.function.Function;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.link.LinkParser;
import org.eclipse.leshan.core.link.lwm2m.DefaultLwM2mLinkParser;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.core.util.datatype.ULong;

/**
 * Reads values of LwM2M resources from their JSON form. The type determines the JSON kind; the error messages are those
 * that were recorded from the stock server 2.0.0-M18.
 */
public final class ValueReader {
    private static final LinkParser LINKS = new DefaultLwM2mLinkParser();

    private ValueReader() {
    }

    /**
     * Reads one value.
     *
     * @throws IllegalArgumentException if the JSON is of the wrong kind or not a value of that type
     */
    public static Object read(JsonNode json, Type type) {
        return switch (type) {
            case STRING -> text(json, type, "string");
            case INTEGER -> number(json, type, "Long", Long::valueOf);
            case UNSIGNED_INTEGER -> number(json, type, "Unsigned Long", ULong::valueOf);
            case FLOAT -> number(json, type, "Double", ValueReader::finite);
            case BOOLEAN -> bool(json, type);
            case TIME -> time(json, type);
            case OPAQUE -> Hex.decodeHex(text(json, type, "string (hexadecimal)").toCharArray());
            case OBJLNK -> objectLink(json, type);
            case CORELINK -> links(text(json, type, "string (CoRE link format)"));
            default -> throw new IllegalArgumentException("type " + type + " has no value");
        };
    }

    private static String text(JsonNode json, Type type, String expected) {
        if (!json.isTextual()) {
            throw unexpected(json, type, expected);
        }
        return json.asText();
    }

    private static <T> T number(JsonNode json, Type type, String name, Function<String, T> parser) {
        if (!json.isTextual() && !json.isNumber()) {
            throw unexpected(json, type, "number or string");
        }
        try {
            return parser.apply(json.asText());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(String.format("\"%s\" is not a valid %s.", json.asText(), name), e);
        }
    }

    private static Double finite(String text) {
        Double value = Double.valueOf(text);
        if (!Double.isFinite(value)) {
            throw new NumberFormatException(text);
        }
        return value;
    }

    private static Boolean bool(JsonNode json, Type type) {
        if (!json.isBoolean()) {
            throw unexpected(json, type, "boolean");
        }
        return json.asBoolean();
    }

    private static Date time(JsonNode json, Type type) {
        if (!json.isIntegralNumber()) {
            throw unexpected(json, type, "number(long)");
        }
        return new Date(json.asLong());
    }

    private static ObjectLink objectLink(JsonNode json, Type type) {
        if (!json.isObject() || !json.path("objectId").isInt() || !json.path("objectInstanceId").isInt()) {
            throw unexpected(json, type, "object{objectId:integer, objectInstanceId:integer}");
        }
        return new ObjectLink(json.get("objectId").asInt(), json.get("objectInstanceId").asInt());
    }

    private static Link[] links(String text) {
        try {
            return LINKS.parseCoreLinkFormat(text.getBytes(StandardCharsets.UTF_8));
        } catch (LinkParseException e) {
            throw new IllegalArgumentException("Invalid Links: " + e.getMessage(), e);
        }
    }

    /** Returns the error. The trailing "null" is the stock server's: it prints the path there, which it does not know. */
    private static IllegalArgumentException unexpected(JsonNode json, Type type, String expected) {
        return new IllegalArgumentException(String.format(
                "Unexpected JSON type of 'value' field [%s]: a JSON %s is expected for %s but was %s. null",
                json, expected, type, json.getNodeType().name().toLowerCase(Locale.ROOT)));
    }
}
