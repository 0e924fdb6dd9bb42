package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.Javalin;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.security.ApiTokens;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.security.Origins;
import org.reveille.leshan.server.AdmissionHandler;
import org.reveille.leshan.server.HttpSettings;
import org.reveille.leshan.server.WebServer;

/** The HTTP API that controls devices. Requests and responses are JSON; a refusal is a 400 or a 404. */
public final class ControlApi implements AutoCloseable {
    private static final long LARGEST_BODY = 1_000_000;

    private final SharedResources shared;
    private final Fleet fleet;
    private final String server;
    private final Javalin http;

    /**
     * Starts the API.
     *
     * @param port 0 chooses a free one
     * @param names other names of its host
     * @param server the LwM2M server of devices that specify none, or null
     * @param maxBody bytes, the largest value that a device accepts
     */
    public ControlApi(String host, int port, List<String> names, String server, int maxBody) {
        this.shared = SharedResources.create(maxBody);
        this.fleet = new Fleet(shared);
        this.server = server;
        HttpSettings settings =
                new HttpSettings(host, port, Identity.NONE, new ApiTokens(List.of()), new Origins(host, names));
        AdmissionHandler admission = new AdmissionHandler(settings, LARGEST_BODY, status -> { });
        this.http = WebServer.create(settings, admission, config -> addTo(config.routes)).start(host, port);
    }

    public int port() {
        return http.port();
    }

    @Override
    public void close() {
        http.stop();
        fleet.close();
    }

    private void addTo(RoutesConfig routes) {
        routes.get("/devices", context -> json(context, list()));
        routes.post("/devices", this::create);
        routes.get("/devices/{device}", context -> json(context, device(context).write()));
        routes.delete("/devices/{device}", this::remove);
        routes.post("/devices/{device}/wake", context -> uplink(context, (device, options) -> device.wake(
                newPort(options), options.hasNonNull("lifetime") ? options.get("lifetime").asLong() : null)));
        routes.post("/devices/{device}/register", context -> uplink(context, (device, options) ->
                device.register(newPort(options))));
        routes.post("/devices/{device}/deregister", context -> uplink(context, (device, options) ->
                device.deregister()));
        routes.post("/devices/{device}/reboot", context -> uplink(context, (device, options) ->
                device.reboot(options.path("bootMs").asLong(0))));
        routes.post("/devices/{device}/send", context -> uplink(context, ControlApi::send));
        routes.post("/devices/{device}/notify", this::notifyObservers);
        routes.post("/devices/{device}/sleep", this::sleep);
        routes.post("/devices/{device}/awake", this::awake);
        routes.post("/devices/{device}/stop", this::stop);
        routes.get("/devices/{device}/radio", context -> json(context, device(context).radio().write()));
        routes.put("/devices/{device}/radio", this::setRadio);
        routes.post("/devices/{device}/radio/rebind", this::rebind);
        routes.put("/devices/{device}/clock", this::setClock);
        routes.get("/devices/{device}/value", context ->
                json(context, device(context).value(new LwM2mPath(context.queryParam("path")))));
        routes.get("/devices/{device}/received", this::received);
        routes.delete("/devices/{device}/received", this::resetReceived);
        routes.get("/devices/{device}/behaviour", context -> json(context, device(context).behaviors().write()));
        routes.put("/devices/{device}/behaviour", this::setBehavior);
        routes.delete("/devices/{device}/behaviour", this::clearBehavior);
        routes.get("/devices/{device}/firmware", context -> json(context, device(context).firmware().write()));
        routes.put("/devices/{device}/firmware", this::setFirmware);
        routes.exception(NoSuchElementException.class, (error, context) -> refuse(context, 404, error));
        routes.exception(RuntimeException.class, (error, context) -> refuse(context, 400, error));
    }

    private ArrayNode list() {
        ArrayNode json = Json.object().arrayNode();
        fleet.all().forEach(device -> json.add(device.write()));
        return json;
    }

    /** Creates one device or a list of them; responds when each of them has registered or failed to. */
    private void create(Context context) throws Exception {
        JsonNode options = body(context);
        List<DeviceSpec> specs = new ArrayList<>();
        for (JsonNode each : options.isArray() ? options : Json.object().arrayNode().add(options)) {
            specs.add(DeviceSpec.read(each, server, shared.model()));
        }
        boolean register = !"false".equals(context.queryParam("register"));
        List<Device> devices = specs.stream().map(fleet::add).toList();
        CompletableFuture<?>[] registered = devices.stream()
                .filter(device -> register).map(device -> device.register(false)).toArray(CompletableFuture[]::new);
        context.status(201);
        context.future(() -> CompletableFuture.allOf(registered).thenRun(() -> {
            ArrayNode json = Json.object().arrayNode();
            devices.forEach(device -> json.add(device.write()));
            json(context, options.isArray() ? json : json.get(0));
        }));
    }

    private void remove(Context context) {
        Device device = device(context);
        CompletableFuture<?> deregistered = "true".equals(context.queryParam("deregister"))
                ? device.deregister() : CompletableFuture.completedFuture(null);
        context.status(204);
        context.future(() -> deregistered.thenRun(() -> fleet.remove(device)));
    }

    private void notifyObservers(Context context) throws Exception {
        JsonNode options = body(context);
        device(context).set(new LwM2mPath(options.get("path").asText()), options.get("value"));
        context.status(204);
    }

    private void sleep(Context context) throws Exception {
        boolean hold = body(context).path("hold").asBoolean(false);
        device(context).gate().setReception(hold ? DatagramGate.Reception.HELD : DatagramGate.Reception.OFF);
        context.status(204);
    }

    private void awake(Context context) {
        device(context).gate().setReception(DatagramGate.Reception.ON);
        context.status(204);
    }

    private void stop(Context context) {
        device(context).close();
        context.status(204);
    }

    private void setRadio(Context context) throws Exception {
        Radio radio = device(context).radio();
        radio.set(body(context));
        json(context, radio.write());
    }

    private void rebind(Context context) {
        Radio radio = device(context).radio();
        radio.rebind();
        json(context, radio.write());
    }

    private void setClock(Context context) throws Exception {
        device(context).clockOffset(body(context).path("offsetMs").asLong(0));
        context.status(204);
    }

    private void received(Context context) {
        Device device = device(context);
        ArrayNode deliveries = device.received().list(context.queryParam("method"), context.queryParam("path"));
        ObjectNode json = Json.object().put("count", deliveries.size());
        json.set("deliveries", deliveries);
        json.putObject("datagrams").put("requests", device.gate().requests()).put("dropped", device.gate().dropped());
        json(context, json);
    }

    private void resetReceived(Context context) {
        device(context).received().reset();
        device(context).gate().resetCounts();
        context.status(204);
    }

    private void setBehavior(Context context) throws Exception {
        device(context).behaviors().set(Behavior.read(body(context)));
        context.status(204);
    }

    private void clearBehavior(Context context) {
        device(context).behaviors().clear();
        context.status(204);
    }

    private void setFirmware(Context context) throws Exception {
        device(context).setFirmware(FirmwareBehavior.read(body(context)));
        context.status(204);
    }

    private void uplink(Context context, BiFunction<Device, JsonNode, CompletableFuture<UplinkResult>> operation)
            throws Exception {
        CompletableFuture<UplinkResult> answer = operation.apply(device(context), body(context));
        context.future(() -> answer.thenAccept(given -> json(context, given.write())));
    }

    private static CompletableFuture<UplinkResult> send(Device device, JsonNode options) {
        ContentFormat format = ContentFormat.fromName(options.path("format").asText("SENML_CBOR"));
        if (options.hasNonNull("samples")) {
            return device.sendSamples(options.get("samples"), format);
        }
        List<String> paths = new ArrayList<>();
        options.get("paths").forEach(path -> paths.add(path.asText()));
        return device.send(paths, format);
    }

    private static boolean newPort(JsonNode options) {
        return options.path("newPort").asBoolean(false);
    }

    private Device device(Context context) {
        return fleet.get(context.pathParam("device"));
    }

    private static JsonNode body(Context context) throws Exception {
        return context.body().isBlank() ? Json.object() : Json.read(context.body());
    }

    private static void json(Context context, JsonNode json) {
        context.contentType("application/json").result(Json.write(json));
    }

    private static void refuse(Context context, int status, Exception error) {
        context.status(status);
        json(context, Json.object().put("error", String.valueOf(error.getMessage())));
    }
}
