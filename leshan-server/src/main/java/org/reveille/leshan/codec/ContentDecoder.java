package org.reveille.leshan.codec;

import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.TimestampedLwM2mNode;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mDecoder;
import org.eclipse.leshan.core.node.codec.NodeDecoder;
import org.eclipse.leshan.core.request.ContentFormat;

/** A decoder that throws {@link UnreadableContentException} for each of the exceptions that Leshan's decoders throw. */
final class ContentDecoder extends DefaultLwM2mDecoder {
    ContentDecoder(Map<ContentFormat, NodeDecoder> decoders) {
        super(decoders);
    }

    @Override
    public <T extends LwM2mNode> T decode(byte[] content, ContentFormat format, String rootPath, LwM2mPath path,
            LwM2mModel model, Class<T> nodeClass) {
        return read(content, format, () -> super.decode(content, format, rootPath, path, model, nodeClass));
    }

    @Override
    public Map<LwM2mPath, LwM2mNode> decodeNodes(byte[] content, ContentFormat format, String rootPath,
            List<LwM2mPath> paths, LwM2mModel model) {
        return read(content, format, () -> super.decodeNodes(content, format, rootPath, paths, model));
    }

    @Override
    public List<TimestampedLwM2mNode> decodeTimestampedData(byte[] content, ContentFormat format, String rootPath,
            LwM2mPath path, LwM2mModel model) {
        return read(content, format, () -> super.decodeTimestampedData(content, format, rootPath, path, model));
    }

    @Override
    public TimestampedLwM2mNodes decodeTimestampedNodes(byte[] content, ContentFormat format, String rootPath,
            List<LwM2mPath> paths, LwM2mModel model) {
        return read(content, format, () -> super.decodeTimestampedNodes(content, format, rootPath, paths, model));
    }

    private static <T> T read(byte[] content, ContentFormat format, Supplier<T> decoding) {
        try {
            return decoding.get();
        } catch (RuntimeException unreadable) {
            throw new UnreadableContentException(unreadable, content, format);
        }
    }
}
