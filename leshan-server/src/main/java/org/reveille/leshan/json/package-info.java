/** Conversion between LwM2M objects and the JSON of the REST API. */
package org.reveille.leshan.json;
