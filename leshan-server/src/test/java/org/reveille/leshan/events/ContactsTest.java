package org.reveille.leshan.events;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ContactsTest {
    private static final long EIGHT_DAYS_MS = TimeUnit.DAYS.toMillis(8);

    @Test
    void aClockThatIsSetEndsNoContactAndProlongsNone() {
        long now = System.nanoTime();
        long until = System.currentTimeMillis() + 93_000;
        assertTrue(contact(until - EIGHT_DAYS_MS, now).lasts(100));
        assertFalse(contact(until + EIGHT_DAYS_MS, now - TimeUnit.SECONDS.toNanos(93)).lasts(0));
    }

    private static Contacts.Contact contact(long until, long heardAt) {
        return new Contacts.Contact("id", 0, until, Contacts.Cause.UPDATE, heardAt, 93_000);
    }
}
