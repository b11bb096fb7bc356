"""Database roles of their own: whether they may do what they should, and with the ledger nothing else."""

from dataclasses import dataclass

from django.db import connection

from credits import sql
from credits.models import LEDGER

# The roles: the one that asks, unless the ledger is its own, and whoever was let call an operation by name.
FAULTS = """
WITH tables AS (
  SELECT c.oid, c.relname AS name, c.relowner AS owner FROM pg_class c
   WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (%(tables)s)),
others AS (  -- what else the server works with
  SELECT c.oid, c.relname AS name FROM pg_class c
   WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
     AND c.relowner IN (SELECT owner FROM tables) AND c.oid NOT IN (SELECT oid FROM tables)),
sequences AS MATERIALIZED (  -- what is no sequence must not be asked about as one
  SELECT c.oid, c.relname AS name FROM pg_class c
   WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S'
     AND c.relowner IN (SELECT owner FROM tables)),
functions AS (
  SELECT p.oid, p.proname AS name, p.proowner AS owner, p.proacl AS granted,
         p.proname = ANY (%(operations)s) AS is_operation,
         has_function_privilege('public', p.oid, 'EXECUTE') AS is_public
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.proname = ANY (%(functions)s)),
roles AS (
  SELECT r.oid, r.rolname AS name FROM pg_roles r
   WHERE r.rolname = current_user AND NOT EXISTS (SELECT FROM tables t WHERE pg_has_role(r.oid, t.owner, 'USAGE'))
  UNION
  SELECT r.oid, r.rolname FROM functions f CROSS JOIN aclexplode(f.granted) g JOIN pg_roles r ON r.oid = g.grantee
   WHERE f.is_operation AND g.grantee <> f.owner)
SELECT r.name, fault.what
  FROM roles r LEFT JOIN LATERAL (
         SELECT 'cannot read ' || t.name FROM tables t WHERE NOT has_table_privilege(r.oid, t.oid, 'SELECT')
         UNION ALL
         SELECT 'may write ' || t.name FROM tables t
          WHERE has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
             OR has_any_column_privilege(r.oid, t.oid, 'INSERT, UPDATE, REFERENCES')
         UNION ALL
         SELECT 'cannot read and write ' || o.name FROM others o
          WHERE NOT (has_table_privilege(r.oid, o.oid, 'SELECT') AND has_table_privilege(r.oid, o.oid, 'INSERT')
                 AND has_table_privilege(r.oid, o.oid, 'UPDATE') AND has_table_privilege(r.oid, o.oid, 'DELETE'))
         UNION ALL
         SELECT 'cannot use ' || s.name FROM sequences s WHERE NOT has_sequence_privilege(r.oid, s.oid, 'USAGE')
         UNION ALL
         SELECT CASE WHEN f.is_operation THEN 'cannot' ELSE 'may' END || ' call ' || f.name FROM functions f
          WHERE has_function_privilege(r.oid, f.oid, 'EXECUTE') <> f.is_operation
         UNION ALL  -- as a function is when it was made anew
         SELECT 'shares ' || f.name || ' with everybody' FROM functions f WHERE f.is_operation AND f.is_public
       ) AS fault (what) ON true
 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class LedgerRole:
    """A database role that works with the ledger and does not own it, and what is wrong with its privileges."""

    name: str
    faults: tuple[str, ...]


def list_ledger_roles() -> list[LedgerRole]:
    """Return the roles that the server may run under; none where it owns the tables itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            FAULTS,
            {
                "tables": [model._meta.db_table for model in LEDGER],
                "functions": [f"credits_{name}" for name in sql.FUNCTIONS],
                "operations": [f"credits_{name}" for name in sql.OPERATIONS],
            },
        )
        rows = cursor.fetchall()
    names = dict.fromkeys(name for name, _ in rows)
    return [LedgerRole(name, tuple(what for of, what in rows if of == name and what)) for name in names]
