package org.reveille.leshan.codec;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.codec.LwM2mValueConverter;
import org.eclipse.leshan.core.node.codec.MultiNodeEncoder;
import org.eclipse.leshan.core.node.codec.NodeEncoder;
import org.eclipse.leshan.core.node.codec.senml.LwM2mNodeSenMLEncoder;
import org.eclipse.leshan.senml.SenMLEncoder;
import org.eclipse.leshan.senml.SenMLPack;
import org.eclipse.leshan.senml.SenMLRecord;

/** A SenML encoder that writes object links as `vlo` (LwM2M Core 1.1, 7.4.4); Leshan 2.0.0-M18 writes them as `vs`. */
final class LinkSenMLEncoder implements NodeEncoder, MultiNodeEncoder {
    private final SenMLEncoder encoder;

    LinkSenMLEncoder(SenMLEncoder encoder) {
        this.encoder = encoder;
    }

    @Override
    public byte[] encode(LwM2mNode node, String rootPath, LwM2mPath path, LwM2mModel model,
            LwM2mValueConverter converter) {
        return encode(converter, (delegate, types) -> delegate.encode(node, rootPath, path, model, types));
    }

    @Override
    public byte[] encodeNodes(String rootPath, Map<LwM2mPath, LwM2mNode> nodes, LwM2mModel model,
            LwM2mValueConverter converter) {
        return encode(converter, (delegate, types) -> delegate.encodeNodes(rootPath, nodes, model, types));
    }

    /**
     * Encodes with corrected links. Leshan converts each value immediately before it creates the record, so both have
     * the same order.
     */
    private byte[] encode(LwM2mValueConverter converter,
            BiFunction<LwM2mNodeSenMLEncoder, LwM2mValueConverter, byte[]> encoding) {
        List<Type> types = new ArrayList<>();
        return encoding.apply(
                new LwM2mNodeSenMLEncoder(pack -> encoder.toSenML(withLinks(pack, types))),
                (value, current, expected, path) -> {
                    types.add(expected);
                    return converter.convertValue(value, current, expected, path);
                });
    }

    private static SenMLPack withLinks(SenMLPack pack, List<Type> types) {
        List<SenMLRecord> records = new ArrayList<>();
        for (SenMLRecord record : pack.getRecords()) {
            records.add(types.get(records.size()) == Type.OBJLNK ? link(record) : record);
        }
        return new SenMLPack(records);
    }

    private static SenMLRecord link(SenMLRecord record) {
        return new SenMLRecord(record.getBaseName(), record.getBaseTime(), record.getName(), record.getTime(), null,
                null, record.getStringValue(), null, null);
    }
}
