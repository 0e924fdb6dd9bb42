/** The LwM2M server with its REST API and event stream, in its two modes. */
package org.reveille.leshan.server;
