package org.reveille.leshan.security;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.eclipse.leshan.servers.security.InMemorySecurityStore;
import org.eclipse.leshan.servers.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.servers.security.SecurityInfo;
import org.reveille.leshan.json.Json;
import org.reveille.leshan.store.Store;

/**
 * What devices have to show for the names they register under. All of it is in memory; what changes is on disk before
 * anybody is told so.
 */
public final class Credentials extends InMemorySecurityStore {
    private final Store store;

    /** Credentials of this process alone. */
    public Credentials() {
        store = null;
    }

    /** Credentials that are kept in a file, with those that are in it. */
    public Credentials(Store store) throws SQLException {
        this.store = store;
        done(store.write(Credentials::createTable));
        for (String text : store.read(Credentials::select)) {
            putBack(CredentialJson.read(text));
        }
    }

    public boolean isEmpty() {
        return getAll().isEmpty();
    }

    /** @throws NonUniqueSecurityInfoException when another endpoint has the identity */
    @Override
    public SecurityInfo add(SecurityInfo info) throws NonUniqueSecurityInfoException {
        writeLock.lock();
        try {
            SecurityInfo previous = super.add(info);
            try {
                write(connection -> insert(connection, info));
            } catch (RuntimeException unwritten) {
                super.remove(info.getEndpoint(), false);
                if (previous != null) {
                    super.add(previous);
                }
                throw unwritten;
            }
            return previous;
        } finally {
            writeLock.unlock();
        }
    }

    @Override
    public SecurityInfo remove(String endpoint, boolean infosAreCompromised) {
        writeLock.lock();
        try {
            write(connection -> delete(connection, endpoint));
            return super.remove(endpoint, infosAreCompromised);
        } finally {
            writeLock.unlock();
        }
    }

    private void putBack(SecurityInfo info) {
        try {
            super.add(info);
        } catch (NonUniqueSecurityInfoException e) {
            throw new IllegalStateException("the file has one identity for two endpoints", e);
        }
    }

    private void write(Store.Work<Void> work) {
        if (store != null) {
            done(store.write(work));
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
