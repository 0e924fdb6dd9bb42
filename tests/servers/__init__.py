"""Real servers for tests, started from wheels: PostgreSQL and Valkey, on Unix sockets, gone with their parent."""
