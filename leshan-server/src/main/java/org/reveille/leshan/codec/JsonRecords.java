package org.reveille.leshan.codec;

import com.fasterxml.jackson.databind.JsonNode;
import org.eclipse.leshan.core.json.JsonRootObject;
import org.eclipse.leshan.core.json.jackson.JsonRootObjectSerDes;
import org.eclipse.leshan.core.util.json.JsonException;

/** A deserializer of LwM2M 1.0 JSON that accepts only numbers in the range of doubles. */
final class JsonRecords extends JsonRootObjectSerDes {
    @Override
    public JsonRootObject deserialize(JsonNode json) throws JsonException {
        SenMLNumbers.check(json, "bt");
        for (JsonNode entry : json.path("e")) {
            SenMLNumbers.check(entry, "t", "v");
        }
        return super.deserialize(json);
    }
}
