package org.reveille.leshan.codec;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.codec.LwM2mValueConverter;
import org.eclipse.leshan.core.node.codec.tlv.LwM2mNodeTlvEncoder;

/**
 * A TLV encoder for unsigned integers of the whole range. Leshan truncates those from 2^64 - 2^31 on like small
 * negative numbers. The first bit of 1, 2 or 4 bytes is never set: devices that read a sign decode them as well.
 */
final class UnsignedTlvEncoder extends LwM2mNodeTlvEncoder {
    private static final byte CUT = (byte) 0xff;

    private final boolean shortest;

    /**
     * Creates an encoder.
     *
     * @param shortest whether unsigned integers have the fewest possible bytes, whether or not their first bit is set
     */
    UnsignedTlvEncoder(boolean shortest) {
        this.shortest = shortest;
    }

    @Override
    public byte[] encode(LwM2mNode node, String rootPath, LwM2mPath path, LwM2mModel model,
            LwM2mValueConverter converter) {
        byte[] content = super.encode(node, rootPath, path, model, converter);
        Set<Integer> unsigned = resources(node).stream().filter(each -> each.getType() == Type.UNSIGNED_INTEGER)
                .map(LwM2mResource::getId).collect(Collectors.toSet());
        boolean isUnsigned = node instanceof LwM2mResourceInstance instance
                && instance.getType() == Type.UNSIGNED_INTEGER;
        if (unsigned.isEmpty() && !isUnsigned) {
            return content;
        }
        return UnsignedTlv.rewrite(content, path.getResourceId(), id -> isUnsigned || unsigned.contains(id),
                value -> shortest ? UnsignedTlv.shortest(UnsignedTlv.full(value, CUT)) : UnsignedTlv.full(value, CUT));
    }

    private static Collection<LwM2mResource> resources(LwM2mNode node) {
        if (node instanceof LwM2mObject object) {
            return object.getInstances().values().stream()
                    .flatMap(instance -> instance.getResources().values().stream()).toList();
        }
        if (node instanceof LwM2mObjectInstance instance) {
            return instance.getResources().values();
        }
        return node instanceof LwM2mResource resource ? List.of(resource) : List.of();
    }
}
