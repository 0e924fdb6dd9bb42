package org.reveille.leshan.security;

import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import org.reveille.leshan.BadSetting;

/**
 * Who a server is, and whose word it takes for who others are.
 *
 * @param key null when it has no certificate
 * @param chain its certificate first; null when it has none
 * @param trusted certificates of authorities which sign those of others; null when it takes nobody's
 */
public record Identity(PrivateKey key, X509Certificate[] chain, X509Certificate[] trusted) {
    /** Has no certificate and asks for none. */
    public static final Identity NONE = new Identity(null, null, null);

    /**
     * Reads the files of three options, each of which may be null.
     *
     * @param name what the options begin with, such as {@code --https}
     * @param authorities the name of the third one
     */
    public static Identity read(String name, Path certificate, Path key, String authorities, Path trusted) {
        if ((certificate == null) != (key == null)) {
            throw new BadSetting(name + "-cert and " + name + "-key belong together: give both or neither.");
        }
        if (certificate == null && trusted != null) {
            throw new BadSetting(authorities + " needs " + name + "-cert and " + name + "-key: "
                    + "who has no certificate cannot ask for one.");
        }
        return certificate == null ? NONE : new Identity(
                Pem.privateKey(name + "-key", key),
                Pem.certificates(name + "-cert", certificate),
                trusted == null ? null : Pem.certificates(authorities, trusted));
    }

    public boolean exists() {
        return key != null;
    }

    /** Whether others have to show a certificate. */
    public boolean asksForCertificates() {
        return trusted != null;
    }

    @Override
    public String toString() {
        return exists() ? chain[0].getSubjectX500Principal().getName() : "no certificate";
    }
}
