package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.eclipse.leshan.core.model.ResourceModel.Type;

/**
 * Validates a node in the JSON form that {@link NodeReader} reads. It refuses an invalid node that would be read as a
 * different one: the stock server reads an id of {@code true} as 1, and {@code "values": null} as no values, which
 * deletes those of the device.
 */
public final class NodeValidator {
    /** The highest id of an object, an instance or a resource: 65535 is reserved (LwM2M Core 1.1, 7.2). */
    private static final int HIGHEST_ID = 65_534;
    private static final int HIGHEST_LINK = 65_535;
    private static final Pattern ID = Pattern.compile("0|[1-9][0-9]{0,4}");
    private static final Pattern WHOLE = Pattern.compile("[+-]?[0-9]+");
    private static final Pattern DECIMAL = Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");
    private static final Set<String> RESOURCES = Set.of("singleResource", "multiResource");
    private static final Set<String> TYPES = Arrays.stream(Type.values()).filter(type -> type != Type.NONE)
            .map(Type::name).collect(Collectors.toUnmodifiableSet());

    private NodeValidator() {
    }

    /**
     * Checks a node of any kind. {@link ValueReader} refuses most invalid values itself.
     *
     * @throws IllegalArgumentException if it is invalid; the message states the problem
     */
    public static void check(JsonNode json) {
        if (!json.isObject()) {
            throw new IllegalArgumentException("a node is expected, a JSON object, not " + shown(json));
        }
        String kind = text(json, "kind");
        switch (kind) {
            case "obj" -> {
                id(json);
                array(json, "instances").forEach(NodeValidator::instance);
            }
            case "instance" -> instance(json);
            case "singleResource", "multiResource", "resourceInstance" -> valued(json, kind);
            default -> throw new IllegalArgumentException("Invalid kind of node: " + kind);
        }
    }

    private static void instance(JsonNode json) {
        if (!json.isObject() || json.has("kind") && !"instance".equals(text(json, "kind"))) {
            throw new IllegalArgumentException("an instance is expected, not " + shown(json));
        }
        if (json.has("id")) {
            id(json);
        }
        for (JsonNode resource : array(json, "resources")) {
            if (!resource.isObject() || !RESOURCES.contains(text(resource, "kind"))) {
                throw new IllegalArgumentException("a resource is expected, not " + shown(resource));
            }
            valued(resource, text(resource, "kind"));
        }
    }

    private static void valued(JsonNode json, String kind) {
        id(json);
        String type = text(json, "type");
        if (!TYPES.contains(type)) {
            throw new IllegalArgumentException("Invalid type of value: " + type);
        }
        if ("multiResource".equals(kind)) {
            values(json.path("values"), Type.valueOf(type));
        } else {
            value(json.path("value"), Type.valueOf(type));
        }
    }

    private static void values(JsonNode json, Type type) {
        if (!json.isObject()) {
            throw new IllegalArgumentException(
                    "values must be a JSON object of resource instances, not " + shown(json));
        }
        json.fields().forEachRemaining(entry -> {
            if (!ID.matcher(entry.getKey()).matches() || Integer.parseInt(entry.getKey()) > HIGHEST_ID) {
                throw new IllegalArgumentException("Invalid id of a resource instance: " + entry.getKey());
            }
            value(entry.getValue(), type);
        });
    }

    /** Refuses numbers that only Java accepts, such as `1d`; {@link ValueReader} refuses other JSON kinds. */
    private static void value(JsonNode json, Type type) {
        if (json.isMissingNode()) {
            throw new IllegalArgumentException("value is missing");
        }
        boolean isNone = switch (type) {
            case INTEGER, UNSIGNED_INTEGER -> json.isTextual() && !WHOLE.matcher(json.asText()).matches();
            case FLOAT -> json.isTextual() && !DECIMAL.matcher(json.asText()).matches();
            case TIME -> json.isIntegralNumber() && !json.canConvertToLong();
            case OBJLNK -> json.isObject() && !isLink(json);
            default -> false;
        };
        if (isNone) {
            throw new IllegalArgumentException(shown(json) + " is not a valid " + type + ".");
        }
    }

    private static boolean isLink(JsonNode json) {
        JsonNode object = json.path("objectId");
        JsonNode instance = json.path("objectInstanceId");
        return object.isInt() && instance.isInt() && object.asInt() >= 0 && object.asInt() <= HIGHEST_LINK
                && instance.asInt() >= 0 && instance.asInt() <= HIGHEST_LINK
                && (object.asInt() == HIGHEST_LINK) == (instance.asInt() == HIGHEST_LINK);
    }

    private static void id(JsonNode json) {
        JsonNode id = json.path("id");
        if (!id.isInt() || id.asInt() < 0 || id.asInt() > HIGHEST_ID) {
            throw new IllegalArgumentException("id must be an integer from 0 to " + HIGHEST_ID + ", not " + shown(id));
        }
    }

    private static String text(JsonNode json, String name) {
        JsonNode text = json.path(name);
        if (!text.isTextual()) {
            throw new IllegalArgumentException(name + " must be a JSON string, not " + shown(text));
        }
        return text.asText();
    }

    private static JsonNode array(JsonNode json, String name) {
        JsonNode array = json.path(name);
        if (!array.isArray()) {
            throw new IllegalArgumentException(name + " must be a JSON array, not " + shown(array));
        }
        return array;
    }

    /** Returns the beginning of a JSON text. */
    private static String shown(JsonNode json) {
        String text = json.isMissingNode() ? "missing" : Json.write(json);
        return text.length() > 100 ? text.substring(0, 100) + ".." : text;
    }
}
