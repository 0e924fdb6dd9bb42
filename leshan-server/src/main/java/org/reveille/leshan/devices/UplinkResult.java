package org.reveille.leshan.devices;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.reveille.leshan.json.Json;

/**
 * The result of a request of the device to its server.
 *
 * @param operation REGISTER, UPDATE, DEREGISTER or SEND
 * @param code the server's response such as 204, or 0 if there was none
 * @param error why there was none, or the text of a refusal, or null
 */
record UplinkResult(String operation, int code, String error) {
    static UplinkResult answered(String operation, LwM2mResponse response) {
        return new UplinkResult(operation, response.getCode().getCode(), response.getErrorMessage());
    }

    static UplinkResult failed(String operation, Throwable error) {
        return new UplinkResult(operation, 0, error.toString());
    }

    boolean isSuccess() {
        return code / 100 == 2;
    }

    ObjectNode write() {
        return Json.object().put("operation", operation).put("code", code).put("error", error);
    }
}
