package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.request.DownlinkRequestReceiver;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mDecoder;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.response.ReadResponse;
import org.reveille.leshan.codec.Codecs;
import org.reveille.leshan.json.NodeReader;
import org.reveille.leshan.json.NodeWriter;
import org.reveille.leshan.json.ValueReader;

/** A device from one boot to the next: its LwM2M client, whose values, observations and CoAP state end at a reboot. */
final class BootedDevice implements AutoCloseable {
    private static final long SEND_TIMEOUT_MS = 10_000;

    private final GatedEndpointsProvider endpoints;
    private final LeshanClient client;
    private ManualRegistrationEngine engine;

    private BootedDevice(DeviceSpec spec, SharedResources shared, GatedEndpointsProvider endpoints,
            List<LwM2mObjectEnabler> objects) {
        this.endpoints = endpoints;
        this.client = new LeshanClientBuilder(spec.name())
                .setObjects(objects)
                .setEncoder(Codecs.deviceEncoder(spec.shortUnsigned()))
                .setDecoder(spec.shortUnsigned() ? Codecs.decoder() : new DefaultLwM2mDecoder())
                .setEndpointsProviders(endpoints)
                .setSharedExecutor(shared.protocol())
                .setAdditionalAttributes(spec.attributes())
                .setRegistrationEngineFactory((name, tree, manager, sender, bootstrap, observer, attributes,
                        bootstrapAttributes, formats, executor, links, servers) ->
                        engine = new ManualRegistrationEngine(new ManualRegistrationEngine.Parts(
                                name, tree.getObjectEnablers(), manager, sender, attributes,
                                spec.formats() == null ? formats : spec.formats(), links, servers),
                                spec.queueMode()))
                .build();
        client.start();
    }

    /**
     * Boots a device. It has its socket immediately and sends nothing.
     *
     * @param server the URI of its server
     * @param port its local port, 0 for a free one
     * @param around wraps the receiver of requests with the device's behaviors
     */
    static BootedDevice boot(DeviceSpec spec, SharedResources shared, String server, DatagramGate gate, int port,
            Firmware.Board board, UnaryOperator<DownlinkRequestReceiver> around) {
        GatedEndpointsProvider endpoints = GatedEndpointsProvider.create(shared, gate, port, spec.observes(), around);
        return new BootedDevice(spec, shared, endpoints, DeviceObjects.of(spec, server, shared.model(), board));
    }

    ManualRegistrationEngine engine() {
        return engine;
    }

    int port() {
        return client.getEndpoint(engine.server()).getURI().getPort();
    }

    void openPort() {
        endpoints.clearObservations();
        engine.openPort();
    }

    /** Sends the current values under these paths (LwM2M Send). */
    CompletableFuture<UplinkResult> send(List<String> paths, ContentFormat format) {
        CompletableFuture<UplinkResult> answer = new CompletableFuture<>();
        try {
            client.getSendService().sendData(engine.server(), format, paths, SEND_TIMEOUT_MS,
                    response -> answer.complete(UplinkResult.answered("SEND", response)),
                    error -> answer.complete(UplinkResult.failed("SEND", error)));
        } catch (RuntimeException unsendable) {
            answer.complete(UplinkResult.failed("SEND", unsendable));
        }
        return answer;
    }

    /** Writes a value of a resource as the device itself; observers are notified, also of an equal value. */
    void set(LwM2mPath path, JsonNode value) {
        LwM2mObjectEnabler object = object(path);
        ResourceModel model = object.getObjectModel().resources.get(path.getResourceId());
        if (model == null || !(instance(object, path) instanceof BaseInstanceEnabler instance)) {
            throw new IllegalArgumentException("no resource at " + path);
        }
        LwM2mResource wanted = model.multiple
                ? LwM2mMultipleResource.newResource(model.id, NodeReader.values(value, model.type), model.type)
                : LwM2mSingleResource.newResource(model.id, ValueReader.read(value, model.type), model.type);
        boolean same = wanted.equals(instance.read(LwM2mServer.SYSTEM, model.id).getContent());
        instance.write(LwM2mServer.SYSTEM, true, model.id, wanted);
        if (same) {
            instance.fireResourceChange(model.id);
        }
    }

    /** Returns the device's value, read without the network; JSON null if there is none. */
    JsonNode value(LwM2mPath path) {
        ReadResponse response = object(path).read(LwM2mServer.SYSTEM, new ReadRequest(path.toString()));
        return NodeWriter.write(response.getContent());
    }

    /** Closes the socket without a deregistration. */
    @Override
    public void close() {
        client.destroy(false);
    }

    private LwM2mObjectEnabler object(LwM2mPath path) {
        LwM2mObjectEnabler object = client.getObjectTree().getObjectEnabler(path.getObjectId());
        if (object == null) {
            throw new IllegalArgumentException("no object at " + path);
        }
        return object;
    }

    private static Object instance(LwM2mObjectEnabler object, LwM2mPath path) {
        return ((ObjectEnabler) object).getInstance(path.getObjectInstanceId());
    }
}
