"""Which Stripe this database belongs to: the sandbox or the real one. The two must never meet in one database."""

from django.db import connection

SANDBOX_TABLE = "billing_sandbox_storedobject"
CUSTOMER_TABLE = "billing_customer"


def has_seen_sandbox() -> bool:
    """Tell whether the sandbox has kept customers of its own in this database."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if SANDBOX_TABLE not in tables:
            return False
        cursor.execute(f"SELECT EXISTS (SELECT FROM {SANDBOX_TABLE} WHERE kind = 'customer')")  # noqa: S608
        return bool(cursor.fetchone()[0])


def has_seen_real_stripe() -> bool:
    """Tell whether a customer of ours is unknown to the sandbox, and so must come from a real account."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if CUSTOMER_TABLE not in tables:
            return False
        known = f"SELECT FROM {SANDBOX_TABLE} s WHERE s.id = c.id" if SANDBOX_TABLE in tables else "SELECT WHERE false"
        cursor.execute(f"SELECT EXISTS (SELECT FROM {CUSTOMER_TABLE} c WHERE NOT EXISTS ({known}))")  # noqa: S608
        return bool(cursor.fetchone()[0])
