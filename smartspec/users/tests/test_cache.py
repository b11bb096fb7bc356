"""The shared cache."""

import threading
import time
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection


@pytest.fixture
def cache() -> Any:
    return caches["default"]


@pytest.mark.django_db
class TestCache:
    def test_keeps_a_value_until_it_expires(self, cache: Any) -> None:
        cache.set("long", [1, 2], 60)
        cache.set("short", [1, 2], 0.01)
        time.sleep(0.02)
        assert cache.get_many(["long", "short"]) == {"long": [1, 2]}

    def test_adds_only_what_is_not_there_or_has_expired(self, cache: Any) -> None:
        assert cache.add("a", 1, 0.05)
        assert not cache.add("a", 2, 60)
        assert cache.get("a") == 1
        time.sleep(0.06)
        assert cache.add("a", 3, 60)
        assert cache.get("a") == 3

    def test_touches_and_deletes(self, cache: Any) -> None:
        cache.set("a", 1, 0.05)
        assert cache.touch("a", 60)
        assert not cache.touch("b", 60)
        time.sleep(0.06)
        assert cache.get("a") == 1
        assert cache.delete("a")
        assert cache.get("a") is None

    def test_keeps_what_has_no_end(self, cache: Any) -> None:
        cache.set("a", 1, None)
        assert cache.get("a") == 1

    def test_throws_nothing_away_when_it_is_full_of_what_is_good(self, cache: Any) -> None:
        for number in range(400):
            cache.set(f"key-{number}", number, 60)
        assert len(cache.get_many([f"key-{number}" for number in range(400)])) == 400


@pytest.mark.django_db(transaction=True)
class TestRace:
    def test_of_many_that_add_one_key_one_succeeds(self) -> None:
        results = []
        barrier = threading.Barrier(8)

        def add() -> None:
            barrier.wait()
            results.append(caches["default"].add("lock", 1, 60))
            connection.close()

        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False] * 7 + [True]
