"""Who may ask, and how: the GraphQL schema and the routes that serve it."""
