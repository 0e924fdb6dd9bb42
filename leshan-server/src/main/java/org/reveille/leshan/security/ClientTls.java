package org.reveille.leshan.security;

import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.reveille.leshan.SettingException;

/** Creates the TLS context of the server's own HTTPS calls from PEM files. */
public final class ClientTls {
    private ClientTls() {
    }

    /**
     * Reads the files of three options, each of which may be null.
     *
     * @param name the beginning of the options' names, such as {@code --webhook}: of `-ca`, `-cert` and `-key`
     * @return null if no file is given; without authorities those of Java are used
     * @throws SettingException if a file cannot be used, or the key does not belong to the certificate
     */
    public static SSLContext read(String name, Path authorities, Path certificate, Path key) {
        if ((certificate == null) != (key == null)) {
            throw new SettingException(name + "-cert and " + name + "-key belong together: give both or neither.");
        }
        if (authorities == null && certificate == null) {
            return null;
        }
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(certificate == null ? null : identity(name, certificate, key),
                    authorities == null ? null : trust(name + "-ca", authorities), null);
            return context;
        } catch (GeneralSecurityException unusable) {
            throw new SettingException(name + "-ca, " + name + "-cert: " + unusable.getMessage());
        }
    }

    private static TrustManager[] trust(String option, Path authorities) throws GeneralSecurityException {
        return SslContextUtil.createTrustManager("trusted", Pem.certificates(option, authorities));
    }

    private static KeyManager[] identity(String name, Path certificate, Path key) throws GeneralSecurityException {
        X509Certificate[] chain = Pem.certificates(name + "-cert", certificate);
        PrivateKey secret = Pem.privateKey(name + "-key", key);
        if (!isPair(secret, chain[0].getPublicKey())) {
            throw new SettingException(
                    name + "-key: the key in " + key + " is not that of the certificate in " + certificate);
        }
        return SslContextUtil.createKeyManager("client", secret, chain);
    }

    /** Returns whether the keys are a pair. Java does not check it: such a handshake fails with the peer's "decrypt error". */
    private static boolean isPair(PrivateKey key, PublicKey publicKey) throws GeneralSecurityException {
        if (!key.getAlgorithm().equals(publicKey.getAlgorithm())) {
            return false;
        }
        Signature signature = Signature.getInstance(switch (key.getAlgorithm()) {
            case "EC" -> "SHA256withECDSA";
            case "RSA" -> "SHA256withRSA";
            default -> key.getAlgorithm();
        });
        signature.initSign(key);
        signature.update((byte) 0);
        byte[] signed = signature.sign();
        signature.initVerify(publicKey);
        signature.update((byte) 0);
        return signature.verify(signed);
    }
}
