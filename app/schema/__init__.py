"""GraphQL API: the schema, the checks of its requests, and the routes that serve it."""
