"""What operators type: a client of the GraphQL API over HTTP and WebSocket, and nothing of what is behind it."""
