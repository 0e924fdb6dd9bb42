package org.reveille.leshan.coap;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class UploadBudgetTest {
    private final AtomicLong nanos = new AtomicLong();
    private final UploadBudget budget = new UploadBudget(100, 60, Duration.ofNanos(10), nanos::get);

    @Test
    void bytesAreBoundedOverAllPeers() {
        assertTrue(budget.reserve("a", "peer 1", 60));
        assertFalse(budget.reserve("b", "peer 2", 41));
        assertTrue(budget.reserve("b", "peer 2", 40));
        budget.release("a");
        assertEquals(40, budget.reserved());
        assertTrue(budget.reserve("c", "peer 3", 60));
    }

    @Test
    void bytesAreBoundedPerPeer() {
        assertTrue(budget.reserve("a", "peer 1", 60));
        assertFalse(budget.reserve("b", "peer 1", 1));
        budget.release("a");
        assertTrue(budget.reserve("b", "peer 1", 1));
    }

    @Test
    void anUploadThatBeginsAgainReplacesItsReservation() {
        assertTrue(budget.reserve("a", "peer 1", 60));
        assertTrue(budget.reserve("a", "peer 1", 50));
        assertEquals(50, budget.reserved());
    }

    @Test
    void anUploadExpiresUnlessItIsRenewed() {
        budget.reserve("a", "peer 1", 30);
        nanos.set(5);
        budget.reserve("b", "peer 1", 30);
        nanos.set(9);
        budget.renew("a");
        nanos.set(15);
        assertEquals(30, budget.reserved());
        nanos.set(19);
        assertEquals(0, budget.reserved());
        assertTrue(budget.reserve("c", "peer 1", 60));
    }

    @Test
    void anUploadWithoutAReservationChangesNothing() {
        budget.renew("a");
        budget.release("a");
        assertEquals(0, budget.reserved());
    }
}
