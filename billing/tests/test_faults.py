"""Killed at random moments, webhooks doubled, shuffled, late and lost: no payment is lost and none counts twice."""

import random

import pytest

from billing.tests.faults import Crowd, Killer, assert_books_are_right, disturb_webhooks, wait_until_quiet
from smartspec.testing import run_product


def play(
    *, people: int, subscribers: int, months: int, purchases: int, jobs: int, every_seconds: float, kills: range
) -> None:
    """Let a crowd buy and work each month, and plans renew between the months; then compare with the books.

    What there is to do takes as long as the machine needs: there are as many kills as it has time for, within `kills`.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    with run_product() as product:
        crowd = Crowd(product, people=people, seed=seed)
        disturb_webhooks(product)
        killer = Killer(product, every_seconds=every_seconds, at_most=kills[-1], seed=seed)
        killer.start()
        for person in crowd.people[:subscribers]:
            crowd.subscribe(person)
        for _ in range(months):
            crowd.run(purchases=purchases // months, jobs=jobs // months)
            crowd.pass_month()
            print(f"month {crowd.months} is over, {killer.killed.total()} kills")  # noqa: T201
        killer.end(at_least=kills[0])
        wait_until_quiet(product, but=("mirror",) if purchases > 100 else ())
        assert_books_are_right(product)
        crowd.compare_with_books()
        assert sum(len(person.paid) for person in crowd.people) == purchases
        assert killer.killed.total() in kills


@pytest.mark.serial
def test_a_crowd_buys_renews_and_works_while_everything_is_killed() -> None:
    play(people=3, subscribers=1, months=1, purchases=6, jobs=6, every_seconds=2, kills=range(1, 3))


@pytest.mark.faults
def test_a_thousand_purchases_renewals_and_jobs_while_everything_is_killed() -> None:
    play(people=25, subscribers=10, months=4, purchases=1000, jobs=1000, every_seconds=30, kills=range(10, 51))
