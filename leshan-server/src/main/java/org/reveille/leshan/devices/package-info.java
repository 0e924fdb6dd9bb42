/** LwM2M clients for tests, which send only on command and whose network can be disturbed. */
package org.reveille.leshan.devices;
