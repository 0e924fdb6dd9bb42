/** Access to the REST API, credentials of devices, certificates and TLS. */
package org.reveille.leshan.security;
