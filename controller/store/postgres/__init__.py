"""The store on PostgreSQL (asyncpg).

Theory: SQL decides what a write means (``schema/*.sql``), so that a row written by the panel and
one written by us obey the same rules; Python only moves values and names errors. Each operation
is one session of the pool with one deadline, and answers with ``StoreUnavailable`` (nothing can
be known now), ``Deposed`` (another controller leads) or ``UserError`` (refused, with the reason).
"""

from controller.store.postgres.migrations import schema_sql
from controller.store.postgres.store import PostgresStore, open_store

__all__ = ["PostgresStore", "open_store", "schema_sql"]
