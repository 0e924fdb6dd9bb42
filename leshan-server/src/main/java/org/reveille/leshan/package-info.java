/** The programs of this jar: the command line, which starts the LwM2M server, devices, or both. */
package org.reveille.leshan;
