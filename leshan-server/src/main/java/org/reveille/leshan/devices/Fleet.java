package org.reveille.leshan.devices;

import java.util.Collection;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;

/** All devices of the process, by a unique number: an endpoint name can be any text, and be used twice. */
final class Fleet implements AutoCloseable {
    private final SharedResources shared;
    private final AtomicInteger numbers = new AtomicInteger();
    private final Map<Integer, Device> devices = new ConcurrentSkipListMap<>();

    Fleet(SharedResources shared) {
        this.shared = shared;
    }

    Device add(DeviceSpec spec) {
        Device device = new Device(numbers.incrementAndGet(), spec, shared);
        devices.put(device.id(), device);
        return device;
    }

    /**
     * Returns a device by its name (the newest of that name) or, after a `~`, its number.
     *
     * @throws NoSuchElementException if there is none
     */
    Device get(String reference) {
        return devices.values().stream()
                .filter(device -> reference.equals("~" + device.id()) || reference.equals(device.name()))
                .reduce((first, second) -> second)
                .orElseThrow(() -> new NoSuchElementException("no device " + reference));
    }

    Collection<Device> all() {
        return devices.values();
    }

    void remove(Device device) {
        devices.remove(device.id());
        device.close();
    }

    @Override
    public void close() {
        devices.values().forEach(Device::close);
        shared.close();
    }
}
