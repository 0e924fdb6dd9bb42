package org.reveille.leshan.json;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** The only JSON mapper of the program. */
public final class Json {
    /** Its errors quote the text, as those of the stock server's Jackson 2.15 do; later versions do not by default. */
    private static final ObjectMapper MAPPER =
            JsonMapper.builder().enable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION).build();
    private static final ObjectReader STRICT = MAPPER.reader()
            .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS, DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);

    private Json() {
    }

    /** Returns an empty JSON object, whose keys keep the order of insertion. */
    public static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    /**
     * Reads JSON text.
     *
     * @throws JsonProcessingException with the parser's own message, which the stock server returns to its caller
     */
    public static JsonNode read(String text) throws JsonProcessingException {
        return MAPPER.readTree(text);
    }

    /**
     * Reads JSON text without duplicate keys and without anything after it.
     *
     * @throws JsonProcessingException with the parser's own message
     */
    public static JsonNode readStrictly(String text) throws JsonProcessingException {
        return STRICT.readTree(text);
    }

    /** Writes a tree as text; a tree of this program can always be written. */
    public static String write(JsonNode node) {
        try {
            return MAPPER.writeValueAsString(node);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("unwritable JSON tree", e);
        }
    }
}
