package org.reveille.leshan.server;

import io.javalin.http.Context;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.reveille.leshan.ObjectModels;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.json.ObjectSpecWriter;

/** Serves `/api/objectspecs`: the object models of this server. */
final class ObjectSpecsApi {
    private final LeshanServer server;
    private final ObjectModels models;
    /** The JSON of each model that was requested once; that of all models has 1.2 MB. */
    private final Map<ObjectModel, String> written = new ConcurrentHashMap<>();

    /**
     * Creates the API.
     *
     * @param models every version of every object
     */
    ObjectSpecsApi(LeshanServer server, ObjectModels models) {
        this.server = server;
        this.models = models;
    }

    /** Returns the models of a client's objects in the versions that it has. */
    HttpAnswer ofClient(String endpoint) {
        Registration client = server.getRegistrationService().getByEndpoint(endpoint);
        if (client == null) {
            // The stock server fails with a NullPointerException here: a 500 with a page of HTML.
            return HttpAnswer.refusal(Failure.Code.UNEXPECTED, "No registered client with id '" + endpoint + "'");
        }
        return list(server.getModelProvider().getObjectModel(client).getObjectModels());
    }

    /** Returns the models of one object, or of all: `?object=3&version=1.1`. */
    HttpAnswer known(Context context) {
        String object = context.queryParam("object");
        String version = context.queryParam("version");
        return list(models.all().stream()
                .filter(model -> object == null || object.equals(String.valueOf(model.id)))
                .filter(model -> version == null || version.equals(model.version)).toList());
    }

    /** Returns the ETag of an answer. A checksum is sufficient: models change only with the program. */
    static String tag(HttpAnswer answer) {
        CRC32 sum = new CRC32();
        sum.update(answer.body().getBytes(StandardCharsets.UTF_8));
        return "\"" + Long.toHexString(sum.getValue()) + "-" + answer.body().length() + "\"";
    }

    private HttpAnswer list(Collection<ObjectModel> models) {
        return HttpAnswer.json(models.stream()
                .sorted(Comparator.<ObjectModel>comparingInt(model -> model.id).thenComparing(model -> model.version))
                .map(model -> written.computeIfAbsent(model, each -> Json.write(ObjectSpecWriter.write(each))))
                .collect(Collectors.joining(",", "[", "]")));
    }
}
