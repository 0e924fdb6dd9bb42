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
import org.reveille.leshan.BadSetting;

/**
 * A server's certificate with its key, and the authorities whose certificates it accepts of others. The files can be read
 * again while the server runs; whether there is a certificate, and whether others need one, does not change.
 */
public final class Identity {
    /**
     * What the files hold.
     *
     * @param key null when there is no certificate
     * @param chain the certificate first; null when there is none
     * @param trusted certificates of authorities which sign those of others; null when nobody's are taken
     */
    public record Content(PrivateKey key, X509Certificate[] chain, X509Certificate[] trusted) {
    }

    /** Has no certificate and asks for none. */
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
     * @param name what the options begin with, such as {@code --https}
     * @param authorities the name of the third one
     * @throws BadSetting when one cannot be read, or the key is not that of the certificate
     */
    public static Identity read(String name, Path certificate, Path key, String authorities, Path trusted) {
        if ((certificate == null) != (key == null)) {
            throw new BadSetting(name + "-cert and " + name + "-key belong together: give both or neither.");
        }
        if (certificate == null && trusted != null) {
            throw new BadSetting(authorities + " needs " + name + "-cert and " + name + "-key: "
                    + "who has no certificate cannot ask for one.");
        }
        return certificate == null ? NONE : new Identity(() -> fitting(name, key, new Content(
                Pem.privateKey(name + "-key", key),
                Pem.certificates(name + "-cert", certificate),
                trusted == null ? null : Pem.certificates(authorities, trusted))));
    }

    /**
     * Reads the files again and calls the listeners.
     *
     * @throws BadSetting when they cannot be used; nothing has changed then
     */
    public void reload() {
        if (exists()) {
            Content read = files.get();
            if (!kind(read).equals(kind(content))) {
                throw new BadSetting("The new certificate's key is of another kind than the one before ("
                        + kind(read) + ", not " + kind(content) + "): restart the server.");
            }
            content = read;
            listeners.forEach(Runnable::run);
        }
    }

    /** DTLS chooses its curves and ciphers by it once, at the start. */
    private static String kind(Content content) {
        PublicKey key = content.chain()[0].getPublicKey();
        return key instanceof ECPublicKey onCurve ? "EC " + onCurve.getParams() : key.getAlgorithm();
    }

    /** Adds a listener that is called after each successful {@link #reload}. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** What the files held when they were last read, all of the same moment. */
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

    /** Whether others have to show a certificate. */
    public boolean asksForCertificates() {
        return content.trusted() != null;
    }

    /** Without this check a server starts, and every handshake with it fails. */
    private static Content fitting(String name, Path file, Content content) {
        try {
            new CertificateConfigurationHelper().verifyKeyPair(content.key(), content.chain()[0].getPublicKey());
            return content;
        } catch (IllegalArgumentException otherPair) {
            throw new BadSetting(name + "-key: " + file + " is not the key of the first certificate of " + name + "-cert.");
        }
    }

    @Override
    public String toString() {
        return exists() ? chain()[0].getSubjectX500Principal().getName() : "no certificate";
    }
}
