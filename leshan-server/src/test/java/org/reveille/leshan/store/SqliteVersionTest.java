package org.reveille.leshan.store;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.Runtime.Version;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SqliteVersionTest {
    /** Earlier versions can corrupt a database in WAL mode if a checkpoint and a commit coincide (the WAL-reset bug). */
    @Test
    void sqliteHasTheFixOfTheWalResetBug(@TempDir Path folder) throws Exception {
        Store store = new Store(folder.resolve("version.db"));
        try {
            String version = store.read(connection -> {
                try (Statement query = connection.createStatement();
                        ResultSet row = query.executeQuery("SELECT sqlite_version()")) {
                    return row.getString(1);
                }
            });
            assertTrue(Version.parse(version).compareTo(Version.parse("3.51.3")) >= 0, version);
        } finally {
            store.close();
        }
    }
}
