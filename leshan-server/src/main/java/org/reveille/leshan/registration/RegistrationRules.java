package org.reveille.leshan.registration;

/**
 * The operator's own rules of who may register, beside those of the credentials.
 *
 * @param allowList the names that may, or null for all
 * @param webhook how a program elsewhere is asked, or null where none is
 */
public record RegistrationRules(AllowList allowList, RegistrationWebhook.Options webhook) {
    /** Whether a name may register, as far as the list says. */
    public boolean allows(String endpoint) {
        return allowList == null || allowList.allows(endpoint);
    }
}
