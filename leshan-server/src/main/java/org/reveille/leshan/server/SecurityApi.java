package org.reveille.leshan.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.util.Comparator;
import java.util.function.Consumer;
import org.eclipse.leshan.servers.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.security.CredentialJson;
import org.reveille.leshan.security.Credentials;
import org.reveille.leshan.security.Identity;
import org.reveille.leshan.server.Failure.Code;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves `/api/security`, as the stock demo server does: the credentials that devices must present for their names, and
 * the server's own certificate. Unlike there, a written secret is never returned.
 */
final class SecurityApi {
    private static final Logger LOG = LoggerFactory.getLogger(SecurityApi.class);
    private static final String CLIENTS = "/api/security/clients";

    private final Credentials credentials;
    private final Identity identity;
    private final AnswerWriter answers;
    private final Consumer<String> deleted;

    private SecurityApi(Credentials credentials, Identity identity, AnswerWriter answers, Consumer<String> deleted) {
        this.credentials = credentials;
        this.identity = identity;
        this.answers = answers;
        this.deleted = deleted;
    }

    /**
     * Adds the routes.
     *
     * @param deleted receives each endpoint whose credentials were deleted, before the caller receives the response
     */
    static void addTo(RoutesConfig routes, Credentials credentials, Identity identity, AnswerWriter answers,
            Consumer<String> deleted) {
        SecurityApi api = new SecurityApi(credentials, identity, answers, deleted);
        routes.get(CLIENTS, api::list);
        routes.get(CLIENTS + "/<endpoint>", api::get);
        routes.put(CLIENTS, api::put);
        routes.delete(CLIENTS + "/<endpoint>", api::delete);
        // The first is the path of 2.0.0-M18, the second that of earlier versions.
        routes.get("/api/server/security", api::server);
        routes.get("/api/security/server", api::server);
    }

    private void list(Context context) {
        ArrayNode all = Json.object().arrayNode();
        credentials.getAll().stream().sorted(Comparator.comparing(SecurityInfo::getEndpoint))
                .map(CredentialJson::write).forEach(all::add);
        json(context, Json.write(all));
    }

    private void get(Context context) {
        SecurityInfo info = credentials.getByEndpoint(context.pathParam("endpoint"));
        if (info == null) {
            refuse(context, Code.NOT_FOUND, "No security information of this client");
        } else {
            json(context, Json.write(CredentialJson.write(info)));
        }
    }

    private void put(Context context) {
        try {
            SecurityInfo info = CredentialJson.read(context.body());
            credentials.add(info);
            LOG.info("security information of {} written", info.getEndpoint());
        } catch (IllegalArgumentException unreadable) {
            refuse(context, Code.INVALID_REQUEST, "Invalid request body: " + unreadable.getMessage());
        } catch (NonUniqueSecurityInfoException taken) {
            refuse(context, Code.INVALID_REQUEST, taken.getMessage());
        }
    }

    /** Deletes credentials. The device's connections end immediately: deleted credentials may be known to others. */
    private void delete(Context context) {
        String endpoint = context.pathParam("endpoint");
        if (credentials.remove(endpoint, true) == null) {
            json(context, "{\"message\":\"not_found\"}");
        } else {
            deleted.accept(endpoint);
            LOG.info("security information of {} deleted", endpoint);
        }
    }

    private void server(Context context) {
        json(context, Json.write(CredentialJson.write(identity)));
    }

    private static void json(Context context, String body) {
        context.contentType("application/json").result(body);
    }

    private void refuse(Context context, Code code, String sentence) {
        answers.give(context, HttpAnswer.refusal(code, sentence));
    }
}
