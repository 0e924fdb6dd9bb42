package org.reveille.leshan.security;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import javax.net.ssl.SSLContext;
import org.eclipse.californium.elements.util.SslContextUtil;

/** Creates certificates for tests with the JDK's keytool: self-signed ones, and ones that another name has signed. */
public final class TestCertificates {
    private static final String PASSWORD = "changeit";
    /** Opens in no time: PKCS12 derives its keys in 10,000 iterations, each time that it is loaded. */
    private static final String TYPE = "JKS";

    private final Path folder;
    private final Path store;

    public TestCertificates(Path folder) {
        this.folder = folder;
        this.store = folder.resolve("keys.jks");
    }

    /** Creates an authority. */
    public void authority(String name) throws IOException, InterruptedException {
        keytool(name, "-ext", "bc=ca:true");
    }

    /** Creates a certificate for an address such as {@code ip:127.0.0.1} or {@code dns:example.org}. */
    public void signed(String name, String by, String address) throws IOException, InterruptedException {
        keytool(name, "-signer", by, "-signerkeypass", PASSWORD, "-ext", "san=" + address);
    }

    /** Returns the certificate with its chain as PEM. */
    public Path certificate(String name) throws IOException, GeneralSecurityException {
        StringBuilder text = new StringBuilder();
        for (Certificate certificate : load().getCertificateChain(name)) {
            text.append(pem("CERTIFICATE", certificate.getEncoded()));
        }
        return Files.writeString(folder.resolve(name + ".pem"), text);
    }

    /** Returns the certificate's key as PEM, PKCS #8. */
    public Path key(String name) throws IOException, GeneralSecurityException {
        Key key = load().getKey(name, PASSWORD.toCharArray());
        return Files.writeString(folder.resolve(name + ".key"), pem("PRIVATE KEY", key.getEncoded()));
    }

    /** Returns the TLS context of a server with a certificate, which trusts the certificates of an authority. */
    public SSLContext server(String name, String trusted) throws IOException, GeneralSecurityException {
        SSLContext context = SSLContext.getInstance("TLS");
        Identity identity = Identity.read("--https", certificate(name), key(name), "--trusted", certificate(trusted));
        context.init(SslContextUtil.createKeyManager("server", identity.key(), identity.chain()),
                SslContextUtil.createTrustManager("trusted", identity.trusted()), null);
        return context;
    }

    private KeyStore load() throws IOException, GeneralSecurityException {
        KeyStore keys = KeyStore.getInstance(TYPE);
        try (InputStream file = Files.newInputStream(store)) {
            keys.load(file, PASSWORD.toCharArray());
        }
        return keys;
    }

    private void keytool(String name, String... more) throws IOException, InterruptedException {
        // It lives for half a second: the optimizing compiler and a parallel garbage collector cost more than they save.
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC",
                "-genkeypair", "-alias", name, "-dname", "CN=" + name, "-keyalg", "EC", "-groupname", "secp256r1",
                "-validity", "2", "-keystore", store.toString(), "-storetype", TYPE, "-storepass", PASSWORD,
                "-keypass", PASSWORD));
        Collections.addAll(command, more);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IOException(output);
        }
    }

    private static String pem(String kind, byte[] der) {
        return "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + kind
                + "-----\n";
    }
}
