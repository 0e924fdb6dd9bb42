"""The operators' commands: a client of the GraphQL API over HTTP and WebSocket, independent of the server's
internals."""
