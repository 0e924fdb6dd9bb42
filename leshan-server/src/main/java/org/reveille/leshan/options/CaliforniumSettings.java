package org.reveille.leshan.options;

import java.lang.reflect.Field;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.DocumentedDefinition;
import org.eclipse.californium.elements.config.SystemConfig;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.reveille.leshan.SettingException;

/**
 * Parses settings of Californium by their own names, such as {@code COAP.ACK_TIMEOUT=3[s]}: those that its classes
 * CoapConfig, DtlsConfig, UdpConfig and SystemConfig define, in the form that their definitions read.
 */
final class CaliforniumSettings {
    private static final List<Class<?>> DEFINED_BY =
            List.of(CoapConfig.class, DtlsConfig.class, UdpConfig.class, SystemConfig.class);
    /** Options of this server by the key that would override them. */
    private static final Map<String, String> OF_OPTIONS = Map.of(
            CoapConfig.MAX_RESOURCE_BODY_SIZE.getKey(), "--max-body",
            CoapConfig.COAP_PORT.getKey(), "--coap-port",
            CoapConfig.COAP_SECURE_PORT.getKey(), "--coaps-port");
    private static final Map<String, DocumentedDefinition<?>> DEFINITIONS = definitions();

    private CaliforniumSettings() {
    }

    /**
     * Parses settings.
     *
     * @param assignments each KEY=VALUE; null if there are none
     * @return applies them to a configuration
     * @throws SettingException if a setting does not exist, or cannot have that value
     */
    static Consumer<Configuration> read(List<String> assignments) {
        Consumer<Configuration> all = configuration -> { };
        for (String assignment : assignments == null ? List.<String>of() : assignments) {
            String[] parts = assignment.split("=", 2);
            if (parts.length < 2) {
                throw refused("KEY=VALUE is expected, not '" + assignment + "'.");
            }
            all = all.andThen(read(parts[0].strip(), parts[1]));
        }
        return all;
    }

    private static Consumer<Configuration> read(String key, String value) {
        if (OF_OPTIONS.containsKey(key)) {
            throw refused(key + " is set by " + OF_OPTIONS.get(key) + ".");
        }
        DocumentedDefinition<?> definition = DEFINITIONS.get(key);
        if (definition == null) {
            throw refused("Californium has no setting " + key + "." + Suggestions.sentence(key, DEFINITIONS.keySet()));
        }
        try {
            definition.readValue(value);
        } catch (IllegalArgumentException bad) {
            throw refused(bad.getMessage() + " (" + definition.getDocumentation() + ")");
        }
        return configuration -> configuration.setFromText(definition, value);
    }

    private static SettingException refused(String sentence) {
        return new SettingException("--coap-setting: " + sentence);
    }

    private static Map<String, DocumentedDefinition<?>> definitions() {
        Map<String, DocumentedDefinition<?>> all = new TreeMap<>();
        try {
            for (Class<?> module : DEFINED_BY) {
                for (Field field : module.getFields()) {
                    if (DocumentedDefinition.class.isAssignableFrom(field.getType())) {
                        DocumentedDefinition<?> definition = (DocumentedDefinition<?>) field.get(null);
                        all.put(definition.getKey(), definition);
                    }
                }
            }
        } catch (IllegalAccessException notPublic) {
            throw new IllegalStateException("getFields() returns only public fields", notPublic);
        }
        return all;
    }
}
