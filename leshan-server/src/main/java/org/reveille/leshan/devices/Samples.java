package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.reveille.leshan.json.ValueReader;

/** Reads values of several times, as a device measured them and now sends all at once. */
final class Samples {
    /**
     * Delay that is added to a time. The library writes a time into SenML CBOR as a decimal fraction, and in 2.0.0-M18
     * fails to read one that a double could hold (SenMLCborPackSerDes.deserializeNumber), such as any whole second.
     */
    private static final long NANOS_LATE = 1_000;

    private Samples() {
    }

    /**
     * Reads {@code [{"time": milliseconds, "values": {PATH: value}}]}.
     *
     * @param clockOffset milliseconds by which the device's clock is wrong
     * @throws IllegalArgumentException for a path that is not a single resource of a known object, or an invalid value
     */
    static TimestampedLwM2mNodes read(JsonNode samples, LwM2mModel model, long clockOffset) {
        TimestampedLwM2mNodes.Builder nodes = TimestampedLwM2mNodes.builder();
        for (JsonNode sample : samples) {
            Instant time = sample.hasNonNull("time")
                    ? Instant.ofEpochMilli(sample.get("time").asLong() + clockOffset).plusNanos(NANOS_LATE) : null;
            sample.path("values").fields().forEachRemaining(each -> {
                LwM2mPath path = new LwM2mPath(each.getKey());
                nodes.put(time, path, resource(path, each.getValue(), model));
            });
        }
        return nodes.build();
    }

    private static LwM2mSingleResource resource(LwM2mPath path, JsonNode value, LwM2mModel model) {
        ResourceModel resource = path.isResource()
                ? model.getResourceModel(path.getObjectId(), path.getResourceId()) : null;
        if (resource == null || resource.multiple) {
            throw new IllegalArgumentException("no single resource at " + path);
        }
        return LwM2mSingleResource.newResource(resource.id, ValueReader.read(value, resource.type), resource.type);
    }
}
