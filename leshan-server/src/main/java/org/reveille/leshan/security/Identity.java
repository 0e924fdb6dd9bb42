package org.reveille.leshan.security;

import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;
import org.eclipse.californium.scandium.dtls.x509.CertificateConfigurationHelper;
import org.reveille.leshan.SettingException;

/**
 * A server's certificate with its key, and the authorities whose certificates it accepts from peers. The files can be
 * reloaded while the server runs; whether there is a certificate, and whether peers need one, does not change.
 */
public final class Identity {
    /**
     * The content of the files.
     *
     * @param key null if there is no certificate
     * @param chain the certificate first; null if there is none
     * @param trusted certificates of the authorities that sign those of peers; null if none are accepted
     */
    public record Content(PrivateKey key, X509Certificate[] chain, X509Certificate[] trusted) {
    }

    /** Has no certificate and requires none. */
    public static final Identity NONE = new Identity(() -> new Content(null, null, null));

    private final Supplier<Content> files;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private volatile Content content;

    private Identity(Supplier<Content> files) {
        this.files = files;
        this.content = files.get();
    }

    /**
     * Reads the files of three options, each of which may be null.
     *
     * @param name the beginning of the options' names, such as {@code --https}
     * @param authorities the name of the third one
     * @throws SettingException if one cannot be read, or the key does not belong to the certificate
     */
    public static Identity read(String name, Path certificate, Path key, String authorities, Path trusted) {
        if ((certificate == null) != (key == null)) {
            throw new SettingException(name + "-cert and " + name + "-key belong together: give both or neither.");
        }
        if (certificate == null && trusted != null) {
            throw new SettingException(authorities + " needs " + name + "-cert and " + name + "-key: "
                    + "a server without a certificate cannot require one.");
        }
        return certificate == null ? NONE : new Identity(() -> fitting(name, key, new Content(
                Pem.privateKey(name + "-key", key),
                Pem.certificates(name + "-cert", certificate),
                trusted == null ? null : Pem.certificates(authorities, trusted))));
    }

    /**
     * Reads the files again and calls the listeners.
     *
     * @throws SettingException if they cannot be used; then nothing has changed
     */
    public void reload() {
        if (exists()) {
            Content read = files.get();
            if (!kind(read).equals(kind(content))) {
                throw new SettingException("The key of the new certificate is of another kind than the previous one ("
                        + kind(read) + ", not " + kind(content) + "): restart the server.");
            }
            content = read;
            listeners.forEach(Runnable::run);
        }
    }

    /** Returns the kind of a key. DTLS chooses its curves and ciphers by it once, at the start. */
    private static String kind(Content content) {
        PublicKey key = content.chain()[0].getPublicKey();
        return key instanceof ECPublicKey onCurve ? "EC " + onCurve.getParams() : key.getAlgorithm();
    }

    /** Adds a listener that is called after each successful {@link #reload}. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** Returns the content of the files when they were last read, all of the same time. */
    public Content content() {
        return content;
    }

    public PrivateKey key() {
        return content.key();
    }

    public X509Certificate[] chain() {
        return content.chain();
    }

    public X509Certificate[] trusted() {
        return content.trusted();
    }

    public boolean exists() {
        return content.key() != null;
    }

    /** Returns whether peers must present a certificate. */
    public boolean requiresCertificates() {
        return content.trusted() != null;
    }

    /** Checks that key and certificate match. Without this check a server starts, and every handshake with it fails. */
    private static Content fitting(String name, Path file, Content content) {
        try {
            new CertificateConfigurationHelper().verifyKeyPair(content.key(), content.chain()[0].getPublicKey());
            return content;
        } catch (IllegalArgumentException otherPair) {
            throw new SettingException(
                    name + "-key: " + file + " is not the key of the first certificate of " + name + "-cert.");
        }
    }

    @Override
    public String toString() {
        return exists() ? chain()[0].getSubjectX500Principal().getName() : "no certificate";
    }
}
