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
final class Behaviours {
    private final List<Behaviour> told = new ArrayList<>();

    /** Sets the behavior of a path (and a format), and replaces an earlier one. */
    synchronized void set(Behaviour behaviour) {
        told.removeIf(other -> other.path().equals(behaviour.path())
                && Objects.equals(other.format(), behaviour.format()));
        told.add(behaviour);
        told.sort(Comparator.comparingInt((Behaviour each) -> each.path().toString().split("/").length).reversed()
                .thenComparing(each -> each.format() == null));
    }

    synchronized void clear() {
        told.clear();
    }

    /** Returns the behavior for a request that was just received, and decrements its remaining times. */
    synchronized Optional<Behaviour> take(LwM2mPath requested, Request request) {
        Optional<Behaviour> found = told.stream().filter(each -> each.isFor(requested, request)).findFirst();
        found.filter(behaviour -> behaviour.times() > 0).ifPresent(behaviour -> {
            int index = told.indexOf(behaviour);
            if (behaviour.times() == 1) {
                told.remove(index);
            } else {
                told.set(index, behaviour.once());
            }
        });
        return found;
    }

    synchronized ArrayNode write() {
        ArrayNode json = Json.object().arrayNode();
        told.forEach(behaviour -> json.add(behaviour.write()));
        return json;
    }
}
