package org.reveille.leshan.security;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.stream.Stream;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.eclipse.californium.elements.util.SslContextUtil.Credentials;
import org.reveille.leshan.SettingException;

/** Reads certificates and keys from PEM files. Every error names the option and the file, and contains none of its content. */
public final class Pem {
    private Pem() {
    }

    /** Returns the certificates of a file, a server's own first; any number of them, but at least one. */
    public static X509Certificate[] certificates(String option, Path file) {
        Credentials read = read(option, file);
        Certificate[] certificates = read.getCertificateChain() == null
                ? read.getTrustedCertificates() : read.getCertificateChain();
        if (certificates == null || certificates.length == 0) {
            throw new SettingException(option + ": there is no certificate in " + file);
        }
        return Stream.of(certificates).map(X509Certificate.class::cast).toArray(X509Certificate[]::new);
    }

    /** Returns the private key of a file, PKCS #8 without a password. */
    public static PrivateKey privateKey(String option, Path file) {
        PrivateKey key = read(option, file).getPrivateKey();
        if (key == null) {
            throw new SettingException(option + ": there is no private key in " + file);
        }
        return key;
    }

    private static Credentials read(String option, Path file) {
        try (InputStream text = Files.newInputStream(file)) {
            return SslContextUtil.loadPemCredentials(text);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException unreadable) {
            throw new SettingException(option + ": cannot read " + file + " as PEM (certificates, keys in PKCS #8)");
        }
    }
}
