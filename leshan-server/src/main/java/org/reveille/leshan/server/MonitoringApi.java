package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.monitoring.Health;
import org.reveille.leshan.monitoring.Metrics;

/** Serves `/health/live`, `/health/ready` and `/metrics` for the operators of the server. */
final class MonitoringApi {
    static final String LIVE = "/health/live";
    static final String READY = "/health/ready";

    private MonitoringApi() {
    }

    static void addTo(RoutesConfig routes, Health health, Metrics metrics) {
        routes.get(LIVE, context -> json(context, 200, Json.object().put("live", true)));
        routes.get(READY, context -> {
            ObjectNode ready = health.ready();
            json(context, ready.get("ready").asBoolean() ? 200 : 503, ready);
        });
        routes.get("/metrics", context -> context.contentType(Metrics.CONTENT_TYPE).result(metrics.text()));
    }

    private static void json(Context context, int status, ObjectNode body) {
        context.status(status).contentType("application/json").result(Json.write(body));
    }
}
