"""Output types, one noun a module. They are filled by ``app/schema/reads.py`` and resolved by plain attributes."""
