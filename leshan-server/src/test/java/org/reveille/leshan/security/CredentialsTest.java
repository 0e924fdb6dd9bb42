package org.reveille.leshan.security;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.eclipse.leshan.servers.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

class CredentialsTest {
    private static final String KEY = "00112233445566778899aabbccddeeff";

    @TempDir
    private Path folder;

    @Test
    void credentialsSurviveARestartAndDeletedOnesDoNot() throws Exception {
        try (Store store = new Store(folder.resolve("state.db"))) {
            Credentials credentials = new Credentials(store);
            credentials.add(psk("kept", "one"));
            credentials.add(psk("gone", "two"));
            credentials.add(SecurityInfo.newX509CertInfo("certified"));
            credentials.remove("gone", true);
            assertPrivate("state.db", "state.db-wal");
        }
        try (Store store = new Store(folder.resolve("state.db"))) {
            Credentials credentials = new Credentials(store);
            assertEquals(KEY, HexFormat.of().formatHex(credentials.getByIdentity("one").getPreSharedKey()));
            assertNull(credentials.getByEndpoint("gone"));
            assertTrue(credentials.getByEndpoint("certified").useX509Cert());
        }
    }

    @Test
    void anIdentityBelongsToOneEndpoint() throws Exception {
        try (Store store = new Store(folder.resolve("state.db"))) {
            Credentials credentials = new Credentials(store);
            credentials.add(psk("first", "one"));
            assertThrows(NonUniqueSecurityInfoException.class, () -> credentials.add(psk("second", "one")));
            assertNull(credentials.getByEndpoint("second"));
        }
    }

    @Test
    void credentialsThatCannotBeWrittenAreRefused() throws Exception {
        Store store = new Store(folder.resolve("state.db"));
        Credentials credentials = new Credentials(store);
        credentials.add(psk("kept", "one"));
        store.close();
        assertThrows(IllegalStateException.class, () -> credentials.add(psk("new", "two")));
        assertThrows(IllegalStateException.class, () -> credentials.add(psk("kept", "three")));
        assertEquals("one", credentials.getByEndpoint("kept").getPskIdentity());
        assertNull(credentials.getByIdentity("two"));
        assertNull(credentials.getByIdentity("three"));
    }

    @Test
    void readingDoesNotWaitForTheDisk() throws Exception {
        try (Store store = new Store(folder.resolve("state.db"));
                Connection other = DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("state.db"));
                Statement lock = other.createStatement()) {
            Credentials credentials = new Credentials(store);
            credentials.add(psk("kept", "one"));
            lock.execute("BEGIN IMMEDIATE");
            CompletableFuture<Void> add = changing(() -> credentials.add(psk("new", "two")));
            CompletableFuture<Void> remove = changing(() -> credentials.remove("kept", true));
            Thread.sleep(300);
            assertTimeoutPreemptively(Duration.ofSeconds(2), () -> {
                assertEquals("kept", credentials.getByIdentity("one").getEndpoint());
                assertNull(credentials.getByEndpoint("new"));
                assertThrows(NonUniqueSecurityInfoException.class, () -> credentials.add(psk("third", "two")));
                assertEquals(1, credentials.getAll().size());
            });
            assertFalse(add.isDone() || remove.isDone());
            lock.execute("ROLLBACK");
            CompletableFuture.allOf(add, remove).get(10, TimeUnit.SECONDS);
            assertEquals("new", credentials.getByIdentity("two").getEndpoint());
            assertNull(credentials.getByEndpoint("kept"));
        }
    }

    @Test
    void oneOfTwoConcurrentWritesGetsAnIdentity() throws Exception {
        try (Store store = new Store(folder.resolve("state.db"))) {
            Credentials credentials = new Credentials(store);
            for (int i = 0; i < 20; i++) {
                String identity = "wanted" + i;
                List<CompletableFuture<Void>> both = Stream.of("first", "second").map(name ->
                        changing(() -> credentials.add(psk(name, identity)))).toList();
                List<Object> outcomes = both.stream()
                        .map(each -> each.handle((done, failure) -> (Object) (failure == null)).join()).toList();
                assertEquals(1, outcomes.stream().filter(Boolean.TRUE::equals).count());
            }
        }
        try (Store store = new Store(folder.resolve("state.db"))) {
            assertFalse(new Credentials(store).isEmpty());
        }
    }

    private static CompletableFuture<Void> changing(Callable<?> change) {
        return CompletableFuture.runAsync(() -> {
            try {
                change.call();
            } catch (Exception refused) {
                throw new CompletionException(refused);
            }
        }, work -> new Thread(work).start());
    }

    @Test
    void credentialsAreWrittenInTheStockFormWithoutTheSecret() {
        SecurityInfo info = psk("device", "one");
        assertEquals("{\"endpoint\":\"device\",\"tls\":{\"mode\":\"psk\",\"details\":{\"identity\":\"one\"}}}",
                Json.write(CredentialJson.write(info)));
        assertFalse(info.toString().contains(KEY));
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{\"endpoint\":\"device\",\"tls\":{\"mode\":\"psk\",\"details\":{\"identity\":\"one\",\"key\":\"5ec2e7x\"}}}",
        "{\"endpoint\":\"device\",\"tls\":{\"mode\":\"rpk\",\"details\":{\"key\":\"5ec2e7\"}}}",
        "{\"endpoint\":\"device\",\"tls\":{\"mode\":\"psk\",\"details\":{\"key\":\"5ec2e7\"}}}",
        "{\"endpoint\":\"device\",\"oscore\":{\"msec\":\"5ec2e7\"}}",
        "{\"endpoint\":\"device\",\"tls\":\"5ec2e7\"",
        "\"5ec2e7\""})
    void noRefusalRepeatsPartsOfTheBody(String body) {
        Exception refused = assertThrows(IllegalArgumentException.class, () -> CredentialJson.read(body));
        for (Throwable each = refused; each != null; each = each.getCause()) {
            assertFalse(each.toString().contains("5ec2e7"), each.toString());
        }
    }

    @Test
    void accessRequiresAToken() {
        ApiTokens access = new ApiTokens(List.of("old", "new"));
        assertTrue(access.allows("Bearer new"));
        assertTrue(access.allows("bearer old"));
        for (String wrong : new String[] {null, "", "new", "Bearer", "Bearer ", "Bearer newer", "Basic new"}) {
            assertFalse(access.allows(wrong), wrong);
        }
        assertTrue(new ApiTokens(List.of()).allows(null));
    }

    @Test
    void tokensCanBeReplacedButNotByNone() {
        ApiTokens access = new ApiTokens(List.of("old"));
        access.replace(List.of("new"));
        assertTrue(access.allows("Bearer new"));
        assertFalse(access.allows("Bearer old"));
        assertThrows(IllegalArgumentException.class, () -> access.replace(List.of()));
        assertFalse(access.allows(null));
    }

    private void assertPrivate(String... names) throws IOException {
        for (String name : names) {
            Set<PosixFilePermission> rights = Files.getPosixFilePermissions(folder.resolve(name));
            assertEquals("rw-------", PosixFilePermissions.toString(rights), name);
        }
    }

    private static SecurityInfo psk(String endpoint, String identity) {
        return CredentialJson.read("{\"endpoint\":\"" + endpoint + "\",\"tls\":{\"mode\":\"psk\",\"details\":{"
                + "\"identity\":\"" + identity + "\",\"key\":\"" + KEY + "\"}}}");
    }
}
