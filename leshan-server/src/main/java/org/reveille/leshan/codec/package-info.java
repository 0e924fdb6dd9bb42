/** Leshan's codecs of LwM2M content, with corrections of its errors. */
package org.reveille.leshan.codec;
