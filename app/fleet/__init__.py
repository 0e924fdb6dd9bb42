"""Fleet work: firmware updates and campaigns. Commands of the ledger, like any other client's: it remains the only
writer, and every step is an ordinary operation."""
