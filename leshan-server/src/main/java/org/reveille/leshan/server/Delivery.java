package org.reveille.leshan.server;

/** How far a call's CoAP request came, as the CoAP layer saw it. */
enum Delivery {
    /** No datagram of the request was sent; this is certain. */
    NOT_SENT,
    /** A datagram was sent, or may still be in the socket's queue. */
    MAY_HAVE_REACHED,
    /** The device answered. */
    ANSWERED
}
