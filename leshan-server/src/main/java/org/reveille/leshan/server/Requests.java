package org.reveille.leshan.server;

import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import org.eclipse.leshan.core.link.attributes.InvalidAttributeException;
import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttribute;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;

/** Creates LwM2M requests from HTTP requests. Every method throws only exceptions that {@link Failures} converts. */
final class Requests {
    private static final LwM2mAttributeParser ATTRIBUTES = new DefaultLwM2mAttributeParser();

    private Requests() {
    }

    /**
     * Returns a write request.
     *
     * @param format the format of a node if the call specifies none; null is TLV
     */
    static WriteRequest write(HttpCall call, Function<LwM2mNode, ContentFormat> format) {
        String target = call.target(0);
        WriteRequest.Mode mode = call.replace() ? WriteRequest.Mode.REPLACE : WriteRequest.Mode.UPDATE;
        LwM2mNode node = node(call);
        return new WriteRequest(mode, call.format("format", format.apply(node)), target, node);
    }

    /**
     * Returns a create request.
     *
     * @param format the format of a node if the call specifies none; null is TLV
     */
    static CreateRequest create(HttpCall call, Function<LwM2mNode, ContentFormat> format) {
        if (!(node(call) instanceof LwM2mObjectInstance instance)) {
            throw new IllegalArgumentException("payload must contain an object instance");
        }
        ContentFormat chosen = call.format("format", format.apply(instance));
        if (instance.getId() == LwM2mObjectInstance.UNDEFINED) {
            return new CreateRequest(chosen, call.target(0), instance.getResources().values());
        }
        return new CreateRequest(chosen, call.target(0), instance);
    }

    static ExecuteRequest execute(HttpCall call) {
        return new ExecuteRequest(call.target(0), call.arguments());
    }

    /** Returns a write-attributes request. The whole query string is the list of attributes, so it cannot contain `timeout`. */
    static WriteAttributesRequest writeAttributes(HttpCall call) throws InvalidAttributeException {
        Collection<LwM2mAttribute<?>> attributes = ATTRIBUTES.parseUriQuery(call.query());
        return new WriteAttributesRequest(call.target(1), new LwM2mAttributeSet(attributes));
    }

    /**
     * Returns a composite read.
     *
     * @param format the format if the call specifies none; the stock server has none in this case, and fails
     */
    static ReadCompositeRequest readComposite(HttpCall call, ContentFormat format) {
        return new ReadCompositeRequest(
                call.format("pathformat", format), call.format("nodeformat", format), call.paths());
    }

    static ObserveCompositeRequest observeComposite(HttpCall call, ContentFormat format) {
        List<LwM2mPath> paths = LwM2mPath.getLwM2mPathList(call.paths());
        return new ObserveCompositeRequest(
                call.format("pathformat", format), call.format("nodeformat", format), paths);
    }

    static WriteCompositeRequest writeComposite(HttpCall call, ContentFormat format) {
        return new WriteCompositeRequest(call.format("nodeformat", format), call.nodes(), null);
    }

    private static LwM2mNode node(HttpCall call) {
        if ("application/json".equals(call.mediaType())) {
            return call.node();
        }
        if ("text/plain".equals(call.mediaType())) {
            return LwM2mSingleResource.newStringResource(Integer.parseInt(call.last()), call.body());
        }
        throw new InvalidRequestException("content type %s not supported", call.mediaType());
    }
}
