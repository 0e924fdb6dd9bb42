package org.reveille.leshan.coap;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletionException;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.elements.util.PersistentComponentUtil;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationStore;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.reveille.leshan.store.Store;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Saves DTLS connections, registrations and observations over a planned stop, so that devices do not notice it.
 *
 * <p>The saved state is deleted, on disk, before it is used: a DTLS connection that is restored twice repeats record
 * sequence numbers, which AEAD ciphers must never do (RFC 5288, 3; RFC 6655, 3). So after a crash there is no saved
 * state.
 */
public final class SavedState {
    /** Identifies the DTLS connector in Californium's data; its own choice is the address, which may change. */
    public static final String DTLS_LABEL = "coaps";

    private static final Logger LOG = LoggerFactory.getLogger(SavedState.class);
    private static final String CONNECTIONS = "connections";
    private static final String REGISTRATION = "registration";

    /** One saved registration, or all saved DTLS connections. */
    private record Part(String kind, byte[] content) {
    }

    private final Store store;

    public SavedState(Store store) {
        this.store = store;
    }

    /**
     * Restores the state that the last server saved; must be called after the server is built, before it starts.
     * Registrations at CoAP addresses that this server does not have are omitted.
     *
     * @throws IOException if the store cannot be used
     */
    public void restore(LeshanServer server) throws IOException {
        for (Part part : take()) {
            if (part.kind().equals(CONNECTIONS)) {
                // Unreadable connections are logged there, and those devices make a new handshake.
                connectors(server).loadComponents(new ByteArrayInputStream(part.content()));
            } else {
                restore(server, new String(part.content(), StandardCharsets.UTF_8));
            }
        }
    }

    /** Saves the state of a server; must be called after the server has been stopped, before it is destroyed. */
    public void save(LeshanServer server) {
        List<Part> parts = new ArrayList<>();
        try {
            ByteArrayOutputStream connections = new ByteArrayOutputStream();
            connectors(server).saveComponents(connections, Integer.MAX_VALUE);
            parts.add(new Part(CONNECTIONS, connections.toByteArray()));
            RegistrationStore registrations = server.getRegistrationStore();
            for (Iterator<Registration> all = registrations.getAllRegistrations(); all.hasNext();) {
                Registration client = all.next();
                String text = SavedRegistration.write(client, registrations.getObservations(client.getId()));
                parts.add(new Part(REGISTRATION, text.getBytes(StandardCharsets.UTF_8)));
            }
            store.write(connection -> insert(connection, parts)).join();
        } catch (IOException | RuntimeException failure) {
            LOG.warn("registrations and DTLS connections are not saved for the next start: {}", failure.getMessage());
        }
    }

    private static void restore(LeshanServer server, String text) {
        try {
            SavedRegistration saved = SavedRegistration.read(text);
            Registration client = saved.client();
            if (server.getEndpoints().stream().noneMatch(one -> one.getURI().equals(client.getEndpointUri()))) {
                return;
            }
            server.getRegistrationStore().addRegistration(client);
            saved.observations().forEach(observation ->
                    server.getRegistrationStore().addObservation(client.getId(), observation, false));
        } catch (IOException unreadable) {
            LOG.warn("{}", unreadable.getMessage());
        }
    }

    private static PersistentComponentUtil connectors(LeshanServer server) {
        PersistentComponentUtil connectors = new PersistentComponentUtil();
        server.getEndpointsProvider().forEach(provider -> {
            CoapServer coap = ((CaliforniumServerEndpointsProvider) provider).getCoapServer();
            connectors.addProvider(coap);
        });
        return connectors;
    }

    private List<Part> take() throws IOException {
        try {
            return store.write(SavedState::takeAll).join();
        } catch (CompletionException e) {
            throw new IOException("saved registrations could not be read: " + e.getCause().getMessage(), e.getCause());
        }
    }

    private static List<Part> takeAll(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("CREATE TABLE IF NOT EXISTS saved_state(kind TEXT NOT NULL, content BLOB NOT NULL)");
            List<Part> parts = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery("SELECT kind, content FROM saved_state ORDER BY rowid")) {
                while (rows.next()) {
                    parts.add(new Part(rows.getString(1), rows.getBytes(2)));
                }
            }
            statement.execute("DELETE FROM saved_state");
            return parts;
        }
    }

    private static Void insert(Connection connection, List<Part> parts) throws SQLException {
        try (PreparedStatement statement =
                connection.prepareStatement("INSERT INTO saved_state(kind, content) VALUES (?, ?)")) {
            for (Part part : parts) {
                statement.setString(1, part.kind());
                statement.setBytes(2, part.content());
                statement.addBatch();
            }
            statement.executeBatch();
            return null;
        }
    }
}
