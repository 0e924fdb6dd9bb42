package org.reveille.leshan.operations;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Supplier;
import org.reveille.leshan.json.Json;

/** Whether the server can do its work; each part that may be in trouble is asked when somebody wants to know. */
public final class Health {
    private final Map<String, Supplier<Optional<String>>> checks = new ConcurrentSkipListMap<>();

    /**
     * Adds a part.
     *
     * @param trouble a sentence when something is wrong; must answer at once. What it throws is trouble too
     */
    public void check(String part, Supplier<Optional<String>> trouble) {
        checks.put(part, trouble);
    }

    /** {@code {"ready": true|false, "reasons": {part: sentence}}}. */
    public ObjectNode ready() {
        ObjectNode reasons = Json.object();
        checks.forEach((part, trouble) -> ask(trouble).ifPresent(sentence -> reasons.put(part, sentence)));
        ObjectNode json = Json.object().put("ready", reasons.isEmpty());
        json.set("reasons", reasons);
        return json;
    }

    private static Optional<String> ask(Supplier<Optional<String>> trouble) {
        try {
            return trouble.get();
        } catch (RuntimeException failure) {
            return Optional.of(String.valueOf(failure.getMessage()));
        }
    }
}
