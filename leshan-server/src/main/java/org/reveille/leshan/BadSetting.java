package org.reveille.leshan;

/** A setting with which the program cannot start; the message is one sentence that names the option and what to do. */
public final class BadSetting extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public BadSetting(String sentence) {
        super(sentence);
    }
}
