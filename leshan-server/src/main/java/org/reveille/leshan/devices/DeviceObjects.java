package org.reveille.leshan.devices;

import java.util.Collection;
import java.util.Date;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.BaseInstanceEnablerFactory;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnablerFactory;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.request.BindingMode;

/** Creates the objects of a device, with the values of the demo client with which the exchanges were recorded. */
final class DeviceObjects {
    private static final int SHORT_SERVER_ID = 123;

    private final Firmware.Board board;

    private DeviceObjects(Firmware.Board board) {
        this.board = board;
    }

    /**
     * Returns the objects of a device.
     *
     * @param server the URI of the device's server
     */
    static List<LwM2mObjectEnabler> of(DeviceSpec spec, String server, LwM2mModel model, Firmware.Board board) {
        return new DeviceObjects(board).create(spec, server, model);
    }

    private List<LwM2mObjectEnabler> create(DeviceSpec spec, String server, LwM2mModel model) {
        ObjectsInitializer objects = new ObjectsInitializer(model);
        objects.setInstancesForObject(LwM2mId.SECURITY, spec.credentials().security(server, SHORT_SERVER_ID));
        objects.setInstancesForObject(LwM2mId.SERVER, new Server(SHORT_SERVER_ID, spec.lifetime(),
                EnumSet.of(BindingMode.U), false, BindingMode.U));
        spec.objects().forEach(id -> {
            objects.setFactoryForObject(id, factory(id));
            objects.setInstancesForObject(id, instance(id));
        });
        return objects.createAll();
    }

    private LwM2mInstanceEnablerFactory factory(int object) {
        return new BaseInstanceEnablerFactory() {
            @Override
            public LwM2mInstanceEnabler create() {
                return instance(object);
            }
        };
    }

    private LwM2mInstanceEnabler instance(int object) {
        return switch (object) {
            case 3 -> device();
            case 5 -> new Firmware(board);
            case 6 -> location();
            case 3303 -> temperature();
            case 3442 -> new TestObject();
            default -> new RegistryObject();
        };
    }

    /**
     * Returns the device object. Reboot (4), factory reset (5) and reset of the error code (12) are answered and
     * recorded, but have no effect.
     */
    private LwM2mInstanceEnabler device() {
        Map<Integer, Object> values = Map.ofEntries(
                Map.entry(0, "Leshan Demo Device"), Map.entry(1, "Model 500"), Map.entry(2, "LT-500-000-0001"),
                Map.entry(3, board.flash().version()), Map.entry(9, 66L), Map.entry(10, 152_345L), Map.entry(11, Map.of(0, 0L)),
                Map.entry(13, new Date()), Map.entry(14, "Z"), Map.entry(15, "Etc/UTC"), Map.entry(16, "UT"),
                Map.entry(17, "Demo"), Map.entry(18, "1.0.1"), Map.entry(19, "1.0.2"), Map.entry(20, 4L),
                Map.entry(21, 204_800L));
        return new StaticInstance(sorted(values.keySet()), Set.of(4, 5, 12), values);
    }

    private static LwM2mInstanceEnabler location() {
        return new StaticInstance(List.of(0, 1, 5), Set.of(), Map.of(0, -11.0, 1, 55.0, 5, new Date()));
    }

    private static LwM2mInstanceEnabler temperature() {
        return new StaticInstance(List.of(5700, 5701, 5602, 5601, 5605), Set.of(5605),
                Map.of(5700, 23.1, 5701, "cel", 5602, 23.6, 5601, 20.0));
    }

    private static List<Integer> sorted(Collection<Integer> ids) {
        return ids.stream().sorted().toList();
    }
}
