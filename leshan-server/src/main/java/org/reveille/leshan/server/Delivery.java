package org.reveille.leshan.server;

/** How far a call's CoAP request came, as the CoAP layer saw it. */
enum Delivery {
    /** For certain, no datagram of it left. */
    NOT_SENT,
    /** A datagram left, or may still lie in the socket's queue. */
    MAY_HAVE_REACHED,
    /** The device answered. */
    ANSWERED
}
