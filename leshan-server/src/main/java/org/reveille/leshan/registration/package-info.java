/** The operator's rules for registrations: a list of names and a webhook. */
package org.reveille.leshan.registration;
