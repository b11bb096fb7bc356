"""The server under a database role of its own."""

from django.db import connection, transaction
from psycopg import sql as query

from credits import sql
from credits.models import LEDGER
from smartspec.errors import DomainError


class UnknownRole(DomainError):
    """The database has no such role."""

    code, status, title = "unknown_role", 422, "Unknown database role"


def grant_ledger_role(*, role: str) -> None:
    """This will leave a role two ways to the ledger's tables: reading, and the functions. Run it by the tables' owner.

    :raises UnknownRole: the database has no such role.
    """
    tables = query.SQL(", ").join(query.Identifier(model._meta.db_table) for model in LEDGER)
    names = query.SQL(", ").join(query.Identifier(f"credits_{name}") for name in sql.OPERATIONS)
    inner = query.SQL(", ").join(
        query.Identifier(f"credits_{name}") for name in sql.FUNCTIONS if name not in sql.OPERATIONS
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            raise UnknownRole(f"The database has no role “{role}”.")
        to = query.Identifier(role)
        cursor.execute(query.SQL("REVOKE ALL ON {} FROM {}, PUBLIC").format(tables, to))
        cursor.execute(query.SQL("GRANT SELECT ON {} TO {}").format(tables, to))
        cursor.execute(query.SQL("REVOKE ALL ON FUNCTION {} FROM {}, PUBLIC").format(inner, to))
        cursor.execute(query.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(names))
        cursor.execute(query.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(names, to))
