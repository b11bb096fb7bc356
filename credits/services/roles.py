"""The server under a database role of its own."""

from collections.abc import Iterable

from django.db import connection, transaction
from psycopg import sql as query

from credits import sql
from credits.models import LEDGER
from smartspec.errors import DomainError


class UnknownRole(DomainError):
    """The database has no such role."""

    code, status, title = "unknown_role", 422, "Unknown database role"


class RoleOwnsLedger(DomainError):
    """A role that owns the tables, or may do everything, cannot be kept from writing them."""

    code, status, title = "role_owns_ledger", 422, "The role owns the ledger"


class NotTheOwner(DomainError):
    """Rights on the tables are given by the role that owns them."""

    code, status, title = "not_the_owner", 403, "Not the tables' owner"


OWNERSHIP = """
SELECT pg_has_role(r.oid, t.relowner, 'USAGE'), pg_has_role(current_user, t.relowner, 'USAGE'), current_user, o.rolname,
       t.relnamespace::regnamespace::text
  FROM pg_roles r CROSS JOIN pg_class t JOIN pg_roles o ON o.oid = t.relowner
 WHERE r.rolname = %s AND t.oid = 'credits_account'::regclass
"""


# All that web and worker need; what of it is too much on the ledger is taken back in the same transaction.
SERVING = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
)
NARROWING = (
    "REVOKE ALL ON {tables} FROM {role}, PUBLIC",
    "GRANT SELECT ON {tables} TO {role}",
    "REVOKE ALL ON FUNCTION {inner} FROM {role}, PUBLIC",
    "REVOKE ALL ON FUNCTION {operations} FROM PUBLIC",
)


def grant_ledger_role(*, role: str) -> None:
    """This will let a role serve: read and write every table but the ledger's, which it may only read, and change by
    the ledger's operations. Run it by the tables' owner.

    :raises UnknownRole: the database has no such role.
    :raises RoleOwnsLedger: it owns the tables, or is a superuser.
    :raises NotTheOwner: whoever runs this does not own them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(OWNERSHIP, [role])
        found = cursor.fetchone()
        if found is None:
            raise UnknownRole(f"The database has no role “{role}”.")
        is_owner, may_grant, current_role, owner, schema = found
        if is_owner:
            raise RoleOwnsLedger(
                f"“{role}” owns the ledger's tables or is a superuser: let the server use another role."
            )
        if not may_grant:
            raise NotTheOwner(f"“{current_role}” cannot do this: connect as “{owner}”, who owns the ledger's tables.")
        names = {
            "role": query.Identifier(role),
            "schema": query.Identifier(schema),
            "tables": _names(model._meta.db_table for model in LEDGER),
            "operations": _names(f"credits_{name}" for name in sql.OPERATIONS),
            "inner": _names(f"credits_{name}" for name in sql.FUNCTIONS if name not in sql.OPERATIONS),
        }
        for statement in (*SERVING, *NARROWING):
            cursor.execute(query.SQL(statement).format(**names))


def _names(names: Iterable[str]) -> query.Composed:
    return query.SQL(", ").join(query.Identifier(name) for name in names)
