package org.reveille.leshan.server;

import org.eclipse.leshan.core.link.attributes.InvalidAttributeException;
import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.core.request.exception.InvalidResponseException;
import org.eclipse.leshan.core.request.exception.RequestCanceledException;
import org.eclipse.leshan.core.request.exception.RequestRejectedException;
import org.eclipse.leshan.core.request.exception.TimeoutException;

/** What the stock server answers when a request could not be made, sent or answered. */
final class Failures {
    private Failures() {
    }

    static HttpAnswer answer(Throwable error) {
        if (error instanceof TimeoutException) {
            return HttpAnswer.failure(504, "Request timeout");
        }
        if (error instanceof InvalidAttributeException) {
            return HttpAnswer.failure(400, "Invalid attributes: " + error.getMessage());
        }
        if (error instanceof InvalidRequestException || error instanceof CodecException
                || error instanceof ClientSleepingException) {
            return HttpAnswer.failure(400, "Invalid request: " + error.getMessage());
        }
        if (error instanceof RequestRejectedException) {
            return HttpAnswer.failure(500, "Request rejected: " + error.getMessage());
        }
        if (error instanceof RequestCanceledException) {
            return HttpAnswer.failure(500, "Request cancelled: " + error.getMessage());
        }
        if (error instanceof InvalidResponseException) {
            return HttpAnswer.failure(500, "Invalid Response: " + error.getMessage());
        }
        return HttpAnswer.failure(500, "Unexpected exception: " + error.getMessage());
    }
}
