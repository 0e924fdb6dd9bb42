package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.Date;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkSerializer;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.Hex;

/**
 * Writes values of LwM2M resources in the JSON form of the stock server: numbers as text (64-bit integers keep their
 * digits), times as milliseconds since the epoch, opaque as hexadecimal digits.
 */
final class ValueWriter {
    private static final LinkSerializer LINKS = new DefaultLinkSerializer();

    private ValueWriter() {
    }

    static JsonNode write(Object value, Type type) {
        if (value == null) {
            return NullNode.getInstance();
        }
        return switch (type) {
            case BOOLEAN -> BooleanNode.valueOf((Boolean) value);
            case TIME -> LongNode.valueOf(((Date) value).getTime());
            case OPAQUE -> TextNode.valueOf(Hex.encodeHexString((byte[]) value));
            case OBJLNK -> objectLink((ObjectLink) value);
            case CORELINK -> TextNode.valueOf(LINKS.serializeCoreLinkFormat((Link[]) value));
            default -> TextNode.valueOf(String.valueOf(value));
        };
    }

    private static JsonNode objectLink(ObjectLink link) {
        return Json.object()
                .put("objectId", link.getObjectId())
                .put("objectInstanceId", link.getObjectInstanceId())
                .put("nullLink", link.isNullLink());
    }
}
