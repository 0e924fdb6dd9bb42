/**
 * The events of a Leshan server: stored, posted to a webhook, and passed to listeners. It can be used without the rest
 * of this server, except {@link org.reveille.leshan.store}.
 */
package org.reveille.leshan.events;
