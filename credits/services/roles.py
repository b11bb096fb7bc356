"""The server under a database role of its own."""

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
SELECT pg_has_role(r.oid, t.relowner, 'USAGE'), pg_has_role(current_user, t.relowner, 'USAGE'), current_user, o.rolname
  FROM pg_roles r CROSS JOIN pg_class t JOIN pg_roles o ON o.oid = t.relowner
 WHERE r.rolname = %s AND t.oid = 'credits_account'::regclass
"""


def grant_ledger_role(*, role: str) -> None:
    """This will leave a role two ways to the ledger's tables: reading, and the functions. Run it by the tables' owner.

    :raises UnknownRole: the database has no such role.
    :raises RoleOwnsLedger: it owns the tables, or is a superuser.
    :raises NotTheOwner: whoever runs this does not own them.
    """
    tables = query.SQL(", ").join(query.Identifier(model._meta.db_table) for model in LEDGER)
    names = query.SQL(", ").join(query.Identifier(f"credits_{name}") for name in sql.OPERATIONS)
    inner = query.SQL(", ").join(
        query.Identifier(f"credits_{name}") for name in sql.FUNCTIONS if name not in sql.OPERATIONS
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(OWNERSHIP, [role])
        found = cursor.fetchone()
        if found is None:
            raise UnknownRole(f"The database has no role “{role}”.")
        is_owner, may_grant, current_role, owner = found
        if is_owner:
            raise RoleOwnsLedger(
                f"“{role}” owns the ledger's tables or is a superuser: let the server use another role."
            )
        if not may_grant:
            raise NotTheOwner(f"“{current_role}” cannot do this: connect as “{owner}”, who owns the ledger's tables.")
        to = query.Identifier(role)
        cursor.execute(query.SQL("REVOKE ALL ON {} FROM {}, PUBLIC").format(tables, to))
        cursor.execute(query.SQL("GRANT SELECT ON {} TO {}").format(tables, to))
        cursor.execute(query.SQL("REVOKE ALL ON FUNCTION {} FROM {}, PUBLIC").format(inner, to))
        cursor.execute(query.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(names))
        cursor.execute(query.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(names, to))
