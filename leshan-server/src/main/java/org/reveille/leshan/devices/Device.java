package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.RegistrationUpdate;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.response.ReadResponse;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.NodeReader;
import org.reveille.leshan.json.NodeWriter;
import org.reveille.leshan.json.ValueReader;

/** One real LwM2M client, which does what it is told and notes what it receives. */
final class Device implements AutoCloseable {
    private static final long SEND_TIMEOUT_MS = 10_000;

    private final int id;
    private final DeviceSpec spec;
    private final AirGate gate;
    private final Received received = new Received();
    private final Behaviours behaviours = new Behaviours();
    private final Endpoints endpoints;
    private final LeshanClient client;
    private ToldEngine engine;
    private volatile boolean stopped;

    Device(int id, DeviceSpec spec, Shared shared) {
        this.id = id;
        this.spec = spec;
        this.gate = new AirGate(shared.protocol());
        this.endpoints = Endpoints.create(
                shared, gate, objects -> new ToldReceiver(objects, received, behaviours, gate));
        this.client = new LeshanClientBuilder(spec.name())
                .setObjects(Objects.of(spec, shared.model()))
                .setEndpointsProviders(endpoints)
                .setSharedExecutor(shared.protocol())
                .setAdditionalAttributes(spec.attributes())
                .setRegistrationEngineFactory((name, tree, manager, sender, bootstrap, observer, attributes,
                        bootstrapAttributes, formats, executor, links, servers) ->
                        engine = new ToldEngine(new ToldEngine.Parts(name, tree.getObjectEnablers(), manager, sender,
                                attributes, formats, links, servers), spec.queueMode()))
                .build();
        client.start();
    }

    int id() {
        return id;
    }

    String name() {
        return spec.name();
    }

    Received received() {
        return received;
    }

    Behaviours behaviours() {
        return behaviours;
    }

    AirGate gate() {
        return gate;
    }

    /** Hears again and says so with a registration update. */
    CompletableFuture<Uplink> wake(boolean newPort, Long lifetime) {
        listen(newPort);
        return engine.update(new RegistrationUpdate(lifetime));
    }

    /** Hears again and registers in full. */
    CompletableFuture<Uplink> register(boolean newPort) {
        listen(newPort);
        return engine.register();
    }

    CompletableFuture<Uplink> deregister() {
        return engine.deregister();
    }

    /** LwM2M Send of the present values under these paths; also while it does not hear. */
    CompletableFuture<Uplink> send(List<String> paths, ContentFormat format) {
        CompletableFuture<Uplink> answer = new CompletableFuture<>();
        try {
            client.getSendService().sendData(engine.server(), format, paths, SEND_TIMEOUT_MS,
                    response -> answer.complete(Uplink.answered("SEND", response)),
                    error -> answer.complete(Uplink.failed("SEND", error)));
        } catch (RuntimeException unsendable) {
            answer.complete(Uplink.failed("SEND", unsendable));
        }
        return answer;
    }

    /** Puts a value into a resource as the device itself; observers are notified, of an equal value too. */
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

    /** The value which the device holds, read past the network; JSON null where there is none. */
    JsonNode value(LwM2mPath path) {
        ReadResponse response = object(path).read(LwM2mServer.SYSTEM, new ReadRequest(path.toString()));
        return NodeWriter.write(response.getContent());
    }

    ObjectNode write() {
        ObjectNode json = Json.object().put("id", id).put("name", spec.name()).put("server", spec.server());
        json.put("queueMode", spec.queueMode()).put("lifetime", spec.lifetime());
        json.put("registrationId", engine.registrationId());
        json.put("hearing", gate.hearing().name()).put("stopped", stopped);
        json.put("port", stopped ? null : client.getEndpoint(engine.server()).getURI().getPort());
        json.putArray("objects").add(1);
        spec.objects().forEach(json.withArray("objects")::add);
        return json;
    }

    /** Vanishes without a word: the socket is closed, the server is not told. */
    @Override
    public void close() {
        if (!stopped) {
            stopped = true;
            client.destroy(false);
        }
    }

    private void listen(boolean newPort) {
        if (stopped) {
            throw new IllegalStateException("the device was stopped");
        }
        if (newPort) {
            endpoints.forgetObservations();
            engine.openPort();
        }
        gate.hear(AirGate.Hearing.ON);
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
