package org.reveille.leshan;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReloadTest {
    @Test
    void aPartThatCannotBeReloadedDoesNotAffectTheOthers() {
        List<String> done = new ArrayList<>();
        Reload reload = new Reload();
        reload.add(() -> done.add("first"));
        reload.add(() -> {
            throw new SettingException("--api-token-file: cannot read it");
        });
        reload.add(() -> done.add("last"));
        reload.run();
        reload.run();
        assertEquals(List.of("first", "last", "first", "last"), done);
    }
}
