package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.attributes.Attribute;

/** Writes CoRE links as the stock server does: an attribute's value is its text in link format, quotes included. */
public final class LinksWriter {
    private LinksWriter() {
    }

    public static ArrayNode write(Link[] links) {
        ArrayNode array = Json.object().arrayNode();
        for (Link link : links) {
            ObjectNode attributes = Json.object();
            for (Attribute attribute : link.getAttributes()) {
                attributes.put(attribute.getName(), attribute.getCoreLinkValue());
            }
            array.add(Json.object().put("url", link.getUriReference()).set("attributes", attributes));
        }
        return array;
    }
}
