/** The options of the command line, and their conversion to settings. */
package org.reveille.leshan.options;
