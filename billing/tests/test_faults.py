"""Killed at random moments, webhooks doubled, shuffled, late and lost: no payment is lost and none counts twice."""

import random
from collections import Counter

import pytest

from billing.tests.faults import Crowd, Killer, assert_books_are_right, disturb_webhooks, wait_until_quiet
from smartspec.testing import run_product


def play(
    *, people: int, subscribers: int, months: int, purchases: int, jobs: int, every_seconds: float, at_most: int
) -> Counter[str]:
    """Let a crowd buy and work each month, and plans renew between the months; then compare with the books.

    Returns how often what was killed.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    with run_product() as product:
        crowd = Crowd(product, people=people, seed=seed)
        disturb_webhooks(product)
        killer = Killer(product, every_seconds=every_seconds, at_most=at_most, seed=seed)
        killer.start()
        for person in crowd.people[:subscribers]:
            crowd.subscribe(person)
        for _ in range(months):
            crowd.run(purchases=purchases // months, jobs=jobs // months)
            crowd.pass_month()
            print(f"month {crowd.months} is over, {killer.killed.total()} kills")  # noqa: T201
        killer.end()
        wait_until_quiet(product, but=("mirror",) if purchases > 100 else ())
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert sum(len(person.paid) for person in crowd.people) == purchases
        return killer.killed


@pytest.mark.serial
def test_a_crowd_buys_renews_and_works_while_everything_is_killed() -> None:
    killed = play(people=3, subscribers=1, months=1, purchases=6, jobs=6, every_seconds=2, at_most=2)
    assert killed.total() >= 1


@pytest.mark.faults
def test_a_thousand_purchases_renewals_and_jobs_while_everything_is_killed() -> None:
    killed = play(people=25, subscribers=10, months=4, purchases=1000, jobs=1000, every_seconds=30, at_most=50)
    assert killed.total() >= 10
