/** The server's state on disk. */
package org.reveille.leshan.store;
