package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;

/** Writes object models in the form of the stock server's `/api/objectspecs`. */
public final class ObjectSpecWriter {
    private ObjectSpecWriter() {
    }

    public static JsonNode write(ObjectModel model) {
        ObjectNode json = Json.object();
        json.put("id", model.id);
        json.put("name", model.name);
        json.put("instancetype", cardinality(model.multiple));
        json.put("mandatory", model.mandatory);
        json.put("urn", model.urn);
        json.put("version", model.version);
        json.put("lwm2mversion", model.lwm2mVersion);
        json.put("description", model.description);
        json.put("description2", model.description2);
        ArrayNode resources = json.putArray("resourcedefs");
        model.resources.values().forEach(resource -> resources.add(write(resource)));
        return json;
    }

    private static JsonNode write(ResourceModel model) {
        ObjectNode json = Json.object();
        json.put("id", model.id);
        json.put("name", model.name);
        json.put("operations", model.operations.name());
        json.put("instancetype", cardinality(model.multiple));
        json.put("mandatory", model.mandatory);
        json.put("type", model.type.name().toLowerCase(Locale.ROOT));
        json.put("range", model.rangeEnumeration);
        json.put("units", model.units);
        json.put("description", model.description);
        return json;
    }

    private static String cardinality(boolean multiple) {
        return multiple ? "multiple" : "single";
    }
}
