package org.reveille.leshan.registration;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.reveille.leshan.SettingException;

class AllowListTest {
    @TempDir
    private Path folder;
    private Path file;

    @BeforeEach
    void write() throws Exception {
        file = folder.resolve("names");
        Files.writeString(file, "# the fleet\nexact.name\n\n meter-* \nurn:imei:???\n[a-z]+\n\u00e4*\\d\n");
    }

    @Test
    void namesAndPatternsAllowTheirMatches() {
        AllowList list = new AllowList(file);
        for (String name : new String[] {"exact.name", "meter-", "meter-1/2", "urn:imei:123", "[a-z]+", "\u00e4b\\d"}) {
            assertTrue(list.allows(name), name);
        }
        for (String name : new String[] {"", "exactXname", "my meter-1", "urn:imei:12", "abc", "# the fleet", "\u00e45"}) {
            assertFalse(list.allows(name), name);
        }
    }

    @Test
    void manyStarsAreMatchedQuickly() throws Exception {
        Files.writeString(file, "*".repeat(200) + "x\n");
        assertFalse(new AllowList(file).allows("a".repeat(250)));
    }

    @Test
    void anInvalidFileLeavesTheEarlierNames() throws Exception {
        AllowList list = new AllowList(file);
        Files.writeString(file, "other\n");
        list.reload();
        assertFalse(list.allows("exact.name"));
        Files.writeString(file, "# nothing\n");
        String message = assertThrows(SettingException.class, list::reload).getMessage();
        assertEquals("--registration-allow: there is no name in " + file + ", so no device could register.", message);
        Files.delete(file);
        assertThrows(SettingException.class, list::reload);
        assertTrue(list.allows("other"));
    }
}
