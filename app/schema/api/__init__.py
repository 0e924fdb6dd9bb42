"""Types and resolvers of the schema: input is validated, commands go to the ledger, rows are read for the result."""
