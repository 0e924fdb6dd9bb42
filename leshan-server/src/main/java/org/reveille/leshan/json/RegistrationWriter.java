package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.InetAddress;
import java.util.EnumSet;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationUpdate;

/** Writes registrations and their updates in the stock server's form; times are milliseconds since the epoch. */
public final class RegistrationWriter {
    private RegistrationWriter() {
    }

    /**
     * Returns the JSON of a registration.
     *
     * @param awake whether the presence service considers the client awake; written only for clients in queue mode
     */
    public static ObjectNode write(Registration registration, boolean awake) {
        ObjectNode json = Json.object();
        json.put("endpoint", registration.getEndpoint());
        json.put("registrationId", registration.getId());
        json.put("registrationDate", registration.getRegistrationDate().getTime());
        json.put("lastUpdate", registration.getLastUpdate().getTime());
        json.put("address", address(registration.getAddress(), registration.getPort()));
        putText(json, "smsNumber", registration.getSmsNumber());
        json.put("lwM2mVersion", registration.getLwM2mVersion().toString());
        json.put("lifetime", registration.getLifeTimeInSec());
        json.put("bindingMode", BindingMode.toString(registration.getBindingMode()));
        json.put("rootPath", registration.getRootPath());
        json.set("objectLinks", LinksWriter.write(registration.getSortedObjectLinks()));
        json.put("secure", secure(registration));
        json.set("additionalRegistrationAttributes", texts(registration.getAdditionalRegistrationAttributes()));
        json.put("queuemode", registration.usesQueueMode());
        json.set("availableInstances", availableInstances(registration));
        if (registration.usesQueueMode()) {
            json.put("sleeping", !awake);
        }
        return json;
    }

    /** Returns the parameters of an update; those that it did not contain are omitted. */
    public static ObjectNode write(RegistrationUpdate update) {
        ObjectNode json = Json.object();
        json.put("registrationId", update.getRegistrationId());
        json.put("address", address(update.getAddress(), update.getPort()));
        putText(json, "smsNumber", update.getSmsNumber());
        if (update.getLifeTimeInSec() != null) {
            json.put("lifetime", update.getLifeTimeInSec());
        }
        EnumSet<BindingMode> binding = update.getBindingMode();
        if (binding != null) {
            json.put("bindingMode", BindingMode.toString(binding));
        }
        putText(json, "alternatePath", update.getAlternatePath());
        if (update.getObjectLinks() != null) {
            json.set("objectLinks", LinksWriter.write(update.getObjectLinks()));
        }
        json.put("secure", update.getClientTransportData().getIdentity().isSecure());
        json.set("additionalAttributes", texts(update.getAdditionalAttributes()));
        return json;
    }

    private static String address(InetAddress address, Integer port) {
        return address.getHostAddress() + ":" + port;
    }

    private static boolean secure(Registration registration) {
        return registration.getClientTransportData().getIdentity().isSecure();
    }

    private static ObjectNode availableInstances(Registration registration) {
        Map<Integer, ArrayNode> byObject = new TreeMap<>();
        registration.getAvailableInstances().stream().filter(LwM2mPath::isObjectInstance).sorted().forEach(path ->
                byObject.computeIfAbsent(path.getObjectId(), id -> Json.object().arrayNode())
                        .add(path.getObjectInstanceId()));
        ObjectNode json = Json.object();
        byObject.forEach((object, instances) -> json.set(String.valueOf(object), instances));
        return json;
    }

    private static ObjectNode texts(Map<String, String> attributes) {
        ObjectNode json = Json.object();
        attributes.forEach(json::put);
        return json;
    }

    private static void putText(ObjectNode json, String key, String value) {
        if (value != null) {
            json.put(key, value);
        }
    }
}
