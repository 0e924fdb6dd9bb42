package org.reveille.leshan.codec;

import java.nio.ByteBuffer;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.codec.tlv.LwM2mNodeTlvDecoder;

/** A TLV decoder that decodes unsigned integers of any length without a sign. */
final class UnsignedTlvDecoder extends LwM2mNodeTlvDecoder {
    @Override
    public <T extends LwM2mNode> T decode(byte[] content, String rootPath, LwM2mPath path, LwM2mModel model,
            Class<T> nodeClass) {
        ObjectModel object = path.isRoot() ? null : model.getObjectModel(path.getObjectId());
        byte[] readable = content == null ? new byte[0] : content;
        if (object != null && object.resources.values().stream().anyMatch(UnsignedTlvDecoder::isUnsigned)) {
            readable = UnsignedTlv.rewrite(readable, path.getResourceId(),
                    id -> isUnsigned(object.resources.get(id)), value -> UnsignedTlv.full(value, (byte) 0));
        } else {
            UnsignedTlv.checkDepth(ByteBuffer.wrap(readable), 1);
        }
        return super.decode(readable, rootPath, path, model, nodeClass);
    }

    private static boolean isUnsigned(ResourceModel resource) {
        return resource != null && resource.type == Type.UNSIGNED_INTEGER;
    }
}
