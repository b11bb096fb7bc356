"""Killed at random moments, webhooks doubled, shuffled, late and lost: no payment is lost and none counts twice."""

import random

import pytest

from billing.tests.faults import Crowd, Killer, assert_books_are_right, disturb_webhooks, wait_until_quiet
from smartspec.testing import run_product


def play(*, people: int, purchases: int, jobs: int, kills: int, every_seconds: float) -> None:
    """Let a crowd buy and work, in as many rounds as it takes until there were `kills`, and compare with the books."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    with run_product() as product:
        crowd = Crowd(product, people=people, seed=seed)
        disturb_webhooks(product)
        killer = Killer(product, every_seconds=every_seconds, seed=seed)
        killer.start()
        rounds = 0
        while not rounds or sum(killer.killed.values()) < kills:
            crowd.run(purchases=purchases, jobs=jobs)
            rounds += 1
        killer.end()
        wait_until_quiet(product)
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert sum(len(person.paid) for person in crowd.people) == purchases * rounds


@pytest.mark.serial
def test_a_crowd_buys_and_works_while_everything_is_killed() -> None:
    play(people=3, purchases=6, jobs=6, kills=2, every_seconds=2)


@pytest.mark.faults
def test_a_thousand_purchases_and_jobs_while_everything_is_killed() -> None:
    play(people=25, purchases=1000, jobs=1000, kills=10, every_seconds=20)
