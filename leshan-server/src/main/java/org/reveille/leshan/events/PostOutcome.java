package org.reveille.leshan.events;

/** The result of one post to the webhook. */
public enum PostOutcome {
    /** 2xx: the receiver has accepted the events. */
    TAKEN,
    /** Another 4xx than the following: at least one of the events is refused. */
    REFUSED,
    /** 401: the receiver refuses the sender. */
    UNAUTHORIZED,
    /** 3xx, 5xx, 408, 425, 429: the same post is sent again later. */
    UNAVAILABLE,
    /** No complete response before the deadline, whatever part of it had arrived. */
    TIMEOUT,
    /** No connection, or a response that ended too early or is not HTTP. */
    FAILED;

    /** Returns the outcome of a complete response. */
    static PostOutcome of(int status) {
        return switch (status) {
            case 401 -> UNAUTHORIZED;
            case 408, 425, 429 -> UNAVAILABLE;
            default -> status / 100 == 2 ? TAKEN : status / 100 == 4 ? REFUSED : UNAVAILABLE;
        };
    }
}
