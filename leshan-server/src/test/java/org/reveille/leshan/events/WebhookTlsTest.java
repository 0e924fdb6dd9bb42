package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.reveille.leshan.Conditions.await;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.security.ClientTls;
import org.reveille.leshan.security.TestCertificates;
import org.reveille.leshan.store.Store;

/** Tests an https webhook whose certificate a private authority has signed, and which requires a client certificate. */
class WebhookTlsTest {
    @TempDir
    private static Path keys;
    private static TestCertificates certificates;

    @TempDir
    private Path folder;
    private Store store;
    private Outbox outbox;

    @BeforeAll
    static void make() throws Exception {
        certificates = new TestCertificates(keys);
        certificates.authority("authority");
        certificates.authority("stranger");
        certificates.signed("receiver", "authority", "ip:127.0.0.1");
        certificates.signed("elsewhere", "authority", "dns:example.org");
        certificates.signed("sender", "authority", "dns:sender.example.org");
    }

    @AfterEach
    void close() throws Exception {
        outbox.close();
        store.close();
    }

    @Test
    void theCertificateIsPresentedToAReceiverWithATrustedAuthority() throws Exception {
        try (Receiver receiver = new Receiver(certificates.server("receiver", "authority"))) {
            open(receiver.uri(), tls("authority", "sender"));
            await(() -> receiver.taken().size() == 1);
            assertEquals("CN=sender", receiver.peers.get(0));
        }
    }

    @Test
    void nothingIsPostedToAReceiverOfAnotherAuthority() throws Exception {
        try (Receiver receiver = new Receiver(certificates.server("receiver", "authority"))) {
            open(receiver.uri(), tls("stranger", "sender"));
            assertRefused(receiver);
        }
    }

    @Test
    void nothingIsPostedToAReceiverOfAnotherName() throws Exception {
        try (Receiver receiver = new Receiver(certificates.server("elsewhere", "authority"))) {
            open(receiver.uri(), tls("authority", "sender"));
            assertRefused(receiver);
        }
    }

    @Test
    void aReceiverThatRequiresACertificateAcceptsNothingWithoutOne() throws Exception {
        try (Receiver receiver = new Receiver(certificates.server("receiver", "authority"))) {
            open(receiver.uri(), tls("authority", null));
            assertRefused(receiver);
        }
    }

    @Test
    void theAuthoritiesOfJavaAreTheDefault() throws Exception {
        try (Receiver receiver = new Receiver(certificates.server("receiver", "authority"))) {
            open(receiver.uri(), tls(null, "sender"));
            assertRefused(receiver);
        }
    }

    private void assertRefused(Receiver receiver) throws InterruptedException {
        await(() -> outbox.status().lastError() != null);
        assertTrue(outbox.status().lastError().startsWith("no answer: "), outbox.status().lastError());
        assertEquals(List.of(), receiver.posts);
        assertEquals(1, outbox.status().waiting());
    }

    private static SSLContext tls(String authority, String identity) throws Exception {
        return ClientTls.read("--webhook", authority == null ? null : certificates.certificate(authority),
                identity == null ? null : certificates.certificate(identity),
                identity == null ? null : certificates.key(identity));
    }

    private void open(URI webhook, SSLContext tls) throws Exception {
        store = new Store(folder.resolve("outbox.db"));
        outbox = new Outbox(store, new Outbox.Options("test", webhook, List.of(), null, 1 << 20, Duration.ofDays(1),
                1 << 20, Duration.ofHours(1), Duration.ofSeconds(10), tls));
        outbox.publish("dev", "SEND", Json.object().put("n", 1)).join();
    }
}
