"""The shared cache, in Postgres: allauth's rate limits must hold whichever process is asked."""

import pickle
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import connection

NEVER = datetime.max.replace(tzinfo=UTC, microsecond=0)
WRITE = """
INSERT INTO {table} AS cached (cache_key, value, expires) VALUES (%(key)s, %(value)s, %(expires)s)
ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires = excluded.expires {condition}
"""


class PostgresCache(DatabaseCache):
    """Django's database cache, with one statement for each write.

    Django's own counts the table and reads the row before every write, and when it is full it throws away entries that
    are still good: whoever fills the cache would be rid of their limits. Here `services.clear_expired` removes what has
    expired, and nothing else is removed.
    """

    _table: str

    def _base_set(self, mode: str, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT) -> bool:
        timestamp = self.get_backend_timeout(timeout)
        expires = NEVER if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        if mode == "touch":
            statement = "UPDATE {table} SET expires = %(expires)s WHERE cache_key = %(key)s AND expires > %(now)s"
        else:
            statement = WRITE
        condition = "WHERE cached.expires <= %(now)s" if mode == "add" else ""
        text = b64encode(pickle.dumps(value, self.pickle_protocol)).decode("ascii")
        with connection.cursor() as cursor:
            cursor.execute(
                statement.format(table=connection.ops.quote_name(self._table), condition=condition),
                {"key": key, "value": text, "expires": expires, "now": datetime.now(UTC)},
            )
            return bool(cursor.rowcount)
