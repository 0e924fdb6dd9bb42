package org.reveille.leshan.security;

import java.net.InetSocketAddress;
import java.util.List;
import javax.security.auth.x500.X500Principal;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateIdentityResult;
import org.eclipse.californium.scandium.dtls.CertificateMessage;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.CertificateVerificationResult;
import org.eclipse.californium.scandium.dtls.ConnectionId;
import org.eclipse.californium.scandium.dtls.HandshakeResultHandler;
import org.eclipse.californium.scandium.dtls.SignatureAndHashAlgorithm;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite.CertificateKeyAlgorithm;
import org.eclipse.californium.scandium.dtls.cipher.XECDHECryptography.SupportedGroup;
import org.eclipse.californium.scandium.dtls.x509.CertificateConfigurationHelper;
import org.eclipse.californium.scandium.dtls.x509.CertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.CertificateVerifier;
import org.eclipse.californium.scandium.dtls.x509.ConfigurationHelperSetup;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticCertificateVerifier;
import org.eclipse.californium.scandium.util.ServerNames;

/**
 * Provides the certificate and the authorities of a DTLS endpoint, as Leshan's {@code CoapsServerEndpointFactory} gives
 * them to Scandium, but the current ones: each handshake uses the content of the {@link Identity} at that time.
 */
public final class DtlsIdentity {
    private volatile SingleCertificateProvider certificate;
    private volatile CertificateVerifier verifier;

    private DtlsIdentity(Identity identity) {
        take(identity.content());
        identity.onChange(() -> take(identity.content()));
    }

    /** Configures an endpoint with an identity; no part of it may be passed to the builder of the LwM2M server as well. */
    public static void install(Identity identity, DtlsConnectorConfig.Builder endpoint) {
        if (identity.exists()) {
            DtlsIdentity current = new DtlsIdentity(identity);
            endpoint.setCertificateIdentityProvider(current.new Provider());
            endpoint.setCertificateVerifier(current.new Verifier());
        }
    }

    private void take(Identity.Content content) {
        certificate = new SingleCertificateProvider(
                content.key(), content.chain(), CertificateType.X_509, CertificateType.RAW_PUBLIC_KEY);
        // All raw public keys are accepted: Leshan checks at the registration whether it is the device's own.
        StaticCertificateVerifier.Builder trusted = StaticCertificateVerifier.builder().setTrustAllRPKs();
        if (content.trusted() != null) {
            trusted.setTrustedCertificates(content.trusted());
        }
        verifier = trusted.build();
    }

    /** Passes each call on to the current certificate. */
    private final class Provider implements CertificateProvider, ConfigurationHelperSetup {
        @Override
        public void setupConfigurationHelper(CertificateConfigurationHelper helper) {
            certificate.setupConfigurationHelper(helper);
        }

        @Override
        public List<CertificateKeyAlgorithm> getSupportedCertificateKeyAlgorithms() {
            return certificate.getSupportedCertificateKeyAlgorithms();
        }

        @Override
        public List<CertificateType> getSupportedCertificateTypes() {
            return certificate.getSupportedCertificateTypes();
        }

        @Override
        public CertificateIdentityResult requestCertificateIdentity(ConnectionId cid, boolean client,
                List<X500Principal> issuers, ServerNames serverNames, List<CertificateKeyAlgorithm> keyAlgorithms,
                List<SignatureAndHashAlgorithm> signatureAlgorithms, List<SupportedGroup> curves) {
            return certificate.requestCertificateIdentity(
                    cid, client, issuers, serverNames, keyAlgorithms, signatureAlgorithms, curves);
        }

        @Override
        public void setResultHandler(HandshakeResultHandler resultHandler) {
            // Results are returned directly.
        }
    }

    /** Passes each call on to the current authorities. */
    private final class Verifier implements CertificateVerifier, ConfigurationHelperSetup {
        @Override
        public void setupConfigurationHelper(CertificateConfigurationHelper helper) {
            if (verifier instanceof ConfigurationHelperSetup setup) {
                setup.setupConfigurationHelper(helper);
            }
        }

        @Override
        public List<CertificateType> getSupportedCertificateTypes() {
            return verifier.getSupportedCertificateTypes();
        }

        @Override
        public CertificateVerificationResult verifyCertificate(ConnectionId cid, ServerNames serverName,
                InetSocketAddress remotePeer, boolean clientUsage, boolean verifySubject,
                boolean truncateCertificatePath, CertificateMessage message) {
            return verifier.verifyCertificate(
                    cid, serverName, remotePeer, clientUsage, verifySubject, truncateCertificatePath, message);
        }

        @Override
        public List<X500Principal> getAcceptedIssuers() {
            return verifier.getAcceptedIssuers();
        }

        @Override
        public void setResultHandler(HandshakeResultHandler resultHandler) {
            // Results are returned directly.
        }
    }
}
