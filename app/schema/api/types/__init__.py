"""GraphQL output types, one subject per module. Most fields are plain attributes."""
