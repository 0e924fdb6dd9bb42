package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import org.reveille.leshan.json.Json;

/** A device's behavior in firmware updates, and counts of what it did in them. Both survive reboots. */
final class FirmwareRecord {
    private FirmwareBehavior behavior;
    private int failuresOfBehavior;
    private int failures;
    private int downloads;
    private int resumed;
    private int pushed;
    private int updates;
    private final Map<String, Integer> applied = new TreeMap<>();

    FirmwareRecord(FirmwareBehavior behavior) {
        this.behavior = behavior;
    }

    synchronized FirmwareBehavior behavior() {
        return behavior;
    }

    /** Sets the behavior from now on. A failure that is under way continues. */
    synchronized void set(FirmwareBehavior next) {
        behavior = next;
        failuresOfBehavior = 0;
    }

    /** Returns whether the next failure is this one. */
    synchronized boolean expects(FirmwareFault fault) {
        return behavior.fault() == fault && (behavior.times() == 0 || failuresOfBehavior < behavior.times());
    }

    /** Returns the next failure if it is one of these, and counts it; otherwise null. */
    synchronized FirmwareFault take(FirmwareFault... faults) {
        FirmwareFault found = Arrays.stream(faults).filter(this::expects).findFirst().orElse(null);
        if (found != null) {
            failuresOfBehavior++;
            failures++;
        }
        return found;
    }

    synchronized void downloadBegins() {
        downloads++;
    }

    synchronized void downloadResumes() {
        resumed++;
    }

    synchronized void packageReceived() {
        pushed++;
    }

    synchronized void updateBegins() {
        updates++;
    }

    synchronized void applied(String version) {
        applied.merge(version, 1, Integer::sum);
    }

    ObjectNode write() {
        ObjectNode json = Json.object();
        json.set("behavior", behavior().write());
        json.set("counts", writeCounts());
        return json;
    }

    synchronized ObjectNode writeCounts() {
        ObjectNode json = Json.object().put("downloads", downloads).put("resumed", resumed).put("pushed", pushed);
        json.put("updates", updates).put("failures", failures);
        applied.forEach(json.putObject("applied")::put);
        return json;
    }
}
