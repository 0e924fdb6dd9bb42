"""The entry points of the commands, a module for each role: it composes the components, and imports no others.

A role's process loads only what it uses, which ``tests/architecture/test_imports_of_roles.py`` checks: the GraphQL
library alone takes 20 MiB and half a second.
"""
