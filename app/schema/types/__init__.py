"""GraphQL output types, one subject per module. ``app/schema/reads.py`` creates them; most fields are attributes."""
