package org.reveille.leshan.json;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;

/** Writes a device's response in the form in which the stock server returns it. */
public final class ResponseWriter {
    private ResponseWriter() {
    }

    public static ObjectNode write(LwM2mResponse response) {
        ObjectNode json = Json.object();
        json.put("status", response.getCode().toString());
        json.put("valid", response.isValid());
        json.put("success", response.isSuccess());
        json.put("failure", response.isFailure());
        if (response.getErrorMessage() != null && !response.getErrorMessage().isEmpty()) {
            json.put("errormessage", response.getErrorMessage());
        }
        putContent(json, response);
        return json;
    }

    /** Adds the content. The responses to observing and to canceling it are read responses too, single and composite. */
    private static void putContent(ObjectNode json, LwM2mResponse response) {
        if (response instanceof ReadResponse read && read.getContent() != null) {
            json.set("content", NodeWriter.write(read.getContent()));
        } else if (response instanceof ReadCompositeResponse read && read.getContent() != null) {
            json.set("content", NodeWriter.write(read.getContent()));
        } else if (response instanceof DiscoverResponse discover && discover.getObjectLinks() != null) {
            json.set("objectLinks", LinksWriter.write(discover.getObjectLinks()));
        } else if (response instanceof CreateResponse create && create.getLocation() != null) {
            json.put("location", create.getLocation());
        }
    }
}
