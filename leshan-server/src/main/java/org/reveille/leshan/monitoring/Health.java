package org.reveille.leshan.monitoring;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Supplier;
import org.reveille.leshan.json.Json;

/** The readiness of the server; every part that can fail is checked at each request. */
public final class Health {
    private final Map<String, Supplier<Optional<String>>> checks = new ConcurrentSkipListMap<>();

    /**
     * Adds a part.
     *
     * @param problem returns a sentence if something is wrong; must return immediately. An exception counts as a
     *     failure too
     */
    public void check(String part, Supplier<Optional<String>> problem) {
        checks.put(part, problem);
    }

    /** Returns {@code {"ready": true|false, "reasons": {part: sentence}}}. */
    public ObjectNode ready() {
        ObjectNode reasons = Json.object();
        checks.forEach((part, problem) -> evaluate(problem).ifPresent(sentence -> reasons.put(part, sentence)));
        ObjectNode json = Json.object().put("ready", reasons.isEmpty());
        json.set("reasons", reasons);
        return json;
    }

    private static Optional<String> evaluate(Supplier<Optional<String>> problem) {
        try {
            return problem.get();
        } catch (RuntimeException failure) {
            return Optional.of(String.valueOf(failure.getMessage()));
        }
    }
}
