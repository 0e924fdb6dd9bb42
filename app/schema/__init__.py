"""GraphQL API in three layers: ``api`` (types, resolvers), ``execution`` (documents), ``transport`` (HTTP, WebSocket).

``errors``, ``limits`` and ``budget`` are shared by the three.
"""
