/** Health checks and metrics for the operators of the server. */
package org.reveille.leshan.monitoring;
