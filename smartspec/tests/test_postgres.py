"""A database that hangs: whoever waits is answered all the same, and the next finds a connection that works."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections

pytestmark = pytest.mark.django_db

HANG = "SELECT pg_sleep(60)"


@pytest.fixture
def hasty() -> Iterator[Any]:
    """A connection of its own, on which nobody waits long."""
    own = connections.create_connection("default")
    own.ensure_connection()
    own.connection.timeout_seconds = 0.2
    yield own
    own.close()


def read(wrapper: Any, statement: str) -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


class TestStatement:
    def test_that_is_not_answered_is_given_up_and_the_next_has_another_connection(self, hasty: Any) -> None:
        with pytest.raises(OperationalError, match=r"did not answer within 0\.2 seconds"):
            read(hasty, HANG)
        hasty.close_if_unusable_or_obsolete()  # as Django does before every request
        assert read(hasty, "SELECT 1") == 1

    def test_that_was_given_up_is_not_done_later(self, hasty: Any) -> None:
        number = hasty.connection.info.backend_pid
        with pytest.raises(OperationalError):
            read(hasty, HANG)
        hasty.close()
        assert read(hasty, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {number} AND state = 'active'") == 0

    def test_that_the_server_refuses_leaves_the_connection_open(self, hasty: Any) -> None:
        own = hasty.connection
        with pytest.raises(OperationalError), hasty.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$")
        assert read(hasty, "SELECT 1") == 1
        assert hasty.connection is own
