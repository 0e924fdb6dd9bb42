"""Real servers for tests, started from wheels: PostgreSQL and Valkey, on Unix sockets; they end with their parent."""
