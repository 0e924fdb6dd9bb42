package org.reveille.leshan.registration;

/**
 * The operator's own rules for registrations, in addition to those of the credentials.
 *
 * @param allowList the names that may register, or null for all
 * @param webhook the options of the registration webhook, or null if there is none
 */
public record RegistrationRules(AllowList allowList, RegistrationWebhook.Options webhook) {
    /** Returns whether a name may register according to the list. */
    public boolean allows(String endpoint) {
        return allowList == null || allowList.allows(endpoint);
    }
}
