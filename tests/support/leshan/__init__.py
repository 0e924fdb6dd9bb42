"""Real LwM2M servers and devices for tests: child processes of `leshan-server/run`."""
