package org.reveille.leshan.server;

import io.javalin.http.HttpResponseException;
import org.eclipse.leshan.core.link.attributes.InvalidAttributeException;
import org.eclipse.leshan.core.node.InvalidLwM2mPathException;
import org.eclipse.leshan.core.node.LwM2mNodeException;
import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.core.request.exception.InvalidResponseException;
import org.eclipse.leshan.core.request.exception.RequestCanceledException;
import org.eclipse.leshan.core.request.exception.RequestRejectedException;
import org.eclipse.leshan.core.request.exception.TimeoutException;
import org.eclipse.leshan.core.request.exception.UnconnectedPeerException;
import org.reveille.leshan.server.Failure.Code;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Converts exceptions in creating, sending or answering a request to the stock server's responses. */
final class Failures {
    private static final Logger LOG = LoggerFactory.getLogger(Failures.class);
    private static final int TOO_LARGE = 413;

    private Failures() {
    }

    /** Returns the response for a request that was not sent. */
    static HttpAnswer answer(Throwable error) {
        return answer(error, Delivery.NOT_SENT);
    }

    /** Returns the response to an exception in reading a call: an invalid argument is the caller's error. */
    static HttpAnswer ofRequest(RuntimeException error) {
        if (error instanceof IllegalArgumentException || error instanceof LwM2mNodeException
                || error instanceof InvalidLwM2mPathException) {
            return answer(new InvalidRequestException(error, "%s", error.getMessage()));
        }
        if (code(error) == Code.UNEXPECTED) {
            LOG.error("a call could not be made into a request", error);
            return HttpAnswer.failure(
                    Failure.refusal(Code.UNEXPECTED, "Unexpected exception: see the log of the server"));
        }
        return answer(error);
    }

    static HttpAnswer answer(Throwable error, Delivery delivery) {
        return HttpAnswer.failure(of(error, delivery));
    }

    private static Failure of(Throwable error, Delivery delivery) {
        Code code = code(error);
        String text = code == Code.REQUEST_TIMEOUT ? "Request timeout" : sentence(code) + ": " + error.getMessage();
        return new Failure(code, text, delivery, null);
    }

    private static Code code(Throwable error) {
        if (error instanceof TimeoutException) {
            return Code.REQUEST_TIMEOUT;
        }
        if (error instanceof InvalidAttributeException) {
            return Code.INVALID_ATTRIBUTES;
        }
        if (error instanceof InvalidRequestException || error instanceof CodecException) {
            return Code.INVALID_REQUEST;
        }
        if (error instanceof HttpResponseException refused && refused.getStatus() == TOO_LARGE) {
            return Code.TOO_LARGE;
        }
        if (error instanceof ClientSleepingException) {
            return Code.CLIENT_SLEEPING;
        }
        if (error instanceof RequestRejectedException) {
            return Code.REQUEST_REJECTED;
        }
        if (error instanceof RequestCanceledException) {
            return Code.REQUEST_CANCELLED;
        }
        if (error instanceof InvalidResponseException) {
            return Code.INVALID_RESPONSE;
        }
        return error instanceof UnconnectedPeerException ? Code.NOT_CONNECTED : Code.UNEXPECTED;
    }

    private static String sentence(Code code) {
        return switch (code) {
            case INVALID_ATTRIBUTES -> "Invalid attributes";
            case INVALID_REQUEST, CLIENT_SLEEPING -> "Invalid request";
            case REQUEST_REJECTED -> "Request rejected";
            case REQUEST_CANCELLED -> "Request cancelled";
            case INVALID_RESPONSE -> "Invalid Response";
            case TOO_LARGE -> "Too large";
            default -> "Unexpected exception";
        };
    }
}
