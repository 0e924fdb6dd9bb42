package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.UUID;
import org.eclipse.leshan.server.LeshanServer;
import org.reveille.leshan.json.Json;

/**
 * Identifies this server.
 *
 * @param name the operator's name for it
 * @param bootId identifies this process
 * @param startedAt milliseconds since the epoch
 */
record ServerInfo(String name, String bootId, long startedAt) {
    /**
     * Returns the identity of a server that starts now.
     *
     * @param bootId null if no other component provides it: then a new one is generated
     */
    static ServerInfo now(String name, String bootId) {
        return new ServerInfo(name, bootId == null ? UUID.randomUUID().toString() : bootId,
                System.currentTimeMillis());
    }

    /** Returns the representation in `/api/server/info`. */
    ObjectNode json(String mode, ObjectNode features, ObjectNode limits) {
        ObjectNode json = Json.object().put("name", "reveille-leshan-server").put("version", "0.1.0");
        json.put("leshan", leshanVersion()).put("mode", mode);
        json.put("server", name).put("bootId", bootId).put("startedAt", startedAt);
        json.set("features", features);
        json.set("limits", limits);
        return json;
    }

    private static String leshanVersion() {
        Properties properties = new Properties();
        try (InputStream file = LeshanServer.class.getResourceAsStream(
                "/META-INF/maven/org.eclipse.leshan/leshan-lwm2m-server/pom.properties")) {
            properties.load(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }
}
