package org.reveille.leshan.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SchemaVersionTest {
    @TempDir
    private Path folder;

    @Test
    void aNewFileGetsTheVersionAndKeepsIt() throws Exception {
        for (int start = 0; start < 2; start++) {
            try (Store store = new Store(folder.resolve("store.db"))) {
                SchemaVersion.check(store);
                assertEquals(SchemaVersion.CURRENT, store.read(SchemaVersionTest::version));
            }
        }
    }

    @Test
    void aFileOfANewerServerIsRefusedAndLeftAsItIs() throws Exception {
        try (Store store = new Store(folder.resolve("store.db"))) {
            store.write(connection -> set(connection, SchemaVersion.CURRENT + 1)).get();
            String message = assertThrows(IOException.class, () -> SchemaVersion.check(store)).getMessage();
            assertTrue(message.startsWith("a newer version of this server wrote the file"), message);
            assertEquals(SchemaVersion.CURRENT + 1, store.read(SchemaVersionTest::version));
        }
    }

    private static int version(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("PRAGMA user_version")) {
            return row.getInt(1);
        }
    }

    private static Void set(Connection connection, int version) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("PRAGMA user_version = " + version);
            return null;
        }
    }
}
