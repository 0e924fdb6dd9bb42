package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.reveille.leshan.json.Json;

/**
 * The behaviors of a device. If several match a request, the one with the deepest path is used, and of those the one
 * that specifies its format.
 */
final class Behaviors {
    private final List<Behavior> rules = new ArrayList<>();

    /** Sets the behavior of a path (and a format), and replaces an earlier one. */
    synchronized void set(Behavior behavior) {
        rules.removeIf(other -> other.path().equals(behavior.path())
                && Objects.equals(other.format(), behavior.format()));
        rules.add(behavior);
        rules.sort(Comparator.comparingInt((Behavior each) -> each.path().toString().split("/").length).reversed()
                .thenComparing(each -> each.format() == null));
    }

    synchronized void clear() {
        rules.clear();
    }

    /** Returns the behavior for a request that was just received, and decrements its remaining times. */
    synchronized Optional<Behavior> take(LwM2mPath requested, Request request) {
        Optional<Behavior> found = rules.stream().filter(each -> each.isFor(requested, request)).findFirst();
        found.filter(behavior -> behavior.times() > 0).ifPresent(behavior -> {
            int index = rules.indexOf(behavior);
            if (behavior.times() == 1) {
                rules.remove(index);
            } else {
                rules.set(index, behavior.once());
            }
        });
        return found;
    }

    synchronized ArrayNode write() {
        ArrayNode json = Json.object().arrayNode();
        rules.forEach(behavior -> json.add(behavior.write()));
        return json;
    }
}
