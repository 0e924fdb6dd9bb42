package org.reveille.leshan.security;

import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.servers.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

/**
 * The credentials that devices must present for their endpoint names. All of them are in memory; changes are written to
 * disk first. Only callers that change credentials wait for the disk, and hold no lock meanwhile: CoAP and DTLS read
 * here for every registration and handshake.
 */
public final class Credentials extends InMemorySecurityStore {
    private final Store store;
    /** Credentials that are being written; guarded by this list itself. Their identities are already reserved. */
    private final List<SecurityInfo> pending = new ArrayList<>();

    /** Creates credentials that are kept in memory only. */
    public Credentials() {
        store = null;
    }

    /**
     * Creates credentials that are stored in a file, and loads those in it.
     *
     * @throws IOException if the store cannot be written
     */
    public Credentials(Store store) throws IOException, SQLException {
        this.store = store;
        store.writeNow(Credentials::createTable);
        for (String text : store.read(Credentials::select)) {
            putBack(CredentialJson.read(text));
        }
    }

    public boolean isEmpty() {
        return getAll().isEmpty();
    }

    /**
     * Adds or replaces an endpoint's credentials, which are valid once they are on disk.
     *
     * @throws NonUniqueSecurityInfoException if another endpoint has the identity, or is about to get it
     * @throws IllegalStateException if they could not be written; then nothing has changed
     */
    @Override
    public SecurityInfo add(SecurityInfo info) throws NonUniqueSecurityInfoException {
        if (store == null) {
            return super.add(info);
        }
        AtomicReference<SecurityInfo> previous = new AtomicReference<>();
        try {
            CompletableFuture<Void> write;
            synchronized (pending) {
                checkIdentity(info);
                pending.add(info);
                write = store.write(connection -> insert(connection, info), (done, failure) -> {
                    if (failure == null) {
                        previous.set(putBack(info));
                    }
                });
            }
            done(write);
            return previous.get();
        } finally {
            synchronized (pending) {
                pending.removeIf(each -> each == info);
            }
        }
    }

    /**
     * Removes an endpoint's credentials.
     *
     * @throws IllegalStateException if the removal could not be written; then nothing has changed
     */
    @Override
    public SecurityInfo remove(String endpoint, boolean infosAreCompromised) {
        if (store == null) {
            return super.remove(endpoint, infosAreCompromised);
        }
        AtomicReference<SecurityInfo> previous = new AtomicReference<>();
        done(store.write(connection -> delete(connection, endpoint), (done, failure) -> {
            if (failure == null) {
                previous.set(super.remove(endpoint, infosAreCompromised));
            }
        }));
        return previous.get();
    }

    private void checkIdentity(SecurityInfo info) throws NonUniqueSecurityInfoException {
        String identity = info.getPskIdentity();
        if (identity == null) {
            return;
        }
        boolean taken = Stream.concat(Stream.ofNullable(getByIdentity(identity)), pending.stream()).anyMatch(
                other -> identity.equals(other.getPskIdentity()) && !info.getEndpoint().equals(other.getEndpoint()));
        if (taken) {
            throw new NonUniqueSecurityInfoException("PSK Identity " + identity + " is already used");
        }
    }

    private SecurityInfo putBack(SecurityInfo info) {
        try {
            return super.add(info);
        } catch (NonUniqueSecurityInfoException e) {
            throw new IllegalStateException("the file has one identity for two endpoints", e);
        }
    }

    private static void done(CompletableFuture<Void> write) {
        try {
            write.join();
        } catch (CompletionException e) {
            throw new IllegalStateException("the credentials could not be written", e.getCause());
        }
    }

    private static Void createTable(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS security(endpoint TEXT PRIMARY KEY, info TEXT NOT NULL)");
            return null;
        }
    }

    private static List<String> select(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT info FROM security ORDER BY endpoint")) {
            List<String> infos = new ArrayList<>();
            while (rows.next()) {
                infos.add(rows.getString(1));
            }
            return infos;
        }
    }

    private static Void insert(Connection connection, SecurityInfo info) throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("INSERT OR REPLACE INTO security(endpoint, info) VALUES (?, ?)")) {
            statement.setString(1, info.getEndpoint());
            statement.setString(2, Json.write(CredentialJson.writeSecret(info)));
            statement.executeUpdate();
            return null;
        }
    }

    private static Void delete(Connection connection, String endpoint) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("DELETE FROM security WHERE endpoint = ?")) {
            statement.setString(1, endpoint);
            statement.executeUpdate();
            return null;
        }
    }
}
