package org.reveille.leshan;

/** A setting with which the program cannot start; the message is one sentence that names the option and the remedy. */
public final class SettingException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public SettingException(String sentence) {
        super(sentence);
    }
}
