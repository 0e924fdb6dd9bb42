package org.reveille.leshan.store;

import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletionException;

/**
 * The version of a file's table layout: SQLite's {@code user_version}. It increases by one with every change that an
 * older server could not read; 0 is a new file, or one from before the number was written, whose layout is that of 1.
 */
public final class SchemaVersion {
    /** The layout that this server reads and writes. */
    public static final int CURRENT = 1;

    private SchemaVersion() {
    }

    /**
     * Writes the version into a file. Must be called before any table is created.
     *
     * @throws IOException if a newer server wrote the file, which is left unchanged, or if it cannot be read or written
     */
    public static void check(Store store) throws IOException {
        try {
            int found = store.read(SchemaVersion::read);
            if (found > CURRENT) {
                throw new IOException("a newer version of this server wrote the file (layout " + found + ", this one knows "
                        + CURRENT + "): start that version, or restore a backup of this one's");
            }
            if (found < CURRENT) {
                store.write(SchemaVersion::write).join();
            }
        } catch (SQLException | CompletionException unusable) {
            throw new IOException("the version of its layout cannot be read or written", unusable);
        }
    }

    private static int read(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("PRAGMA user_version")) {
            return row.getInt(1);
        }
    }

    private static Void write(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA user_version = " + CURRENT);
            return null;
        }
    }
}
