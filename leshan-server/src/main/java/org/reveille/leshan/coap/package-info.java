/** The server's additions to Californium and to Leshan's CoAP resources: checks, limits, and state over restarts. */
package org.reveille.leshan.coap;
