"""What is measured: signing, listing, billing."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from rest_framework.test import APIClient

from media import services
from media.bench import dataset
from media.storage import R2Client, get_r2_client
from smartspec.users.models import User

URLS = 1000
REQUESTS = 20  # of each page in a round
PAGE_ASSETS = 50
SMALL_ASSETS = 100
LIST_MUST = 1.2  # times what the small account takes
BILLED_MUST = 100_000  # accounts a minute
GROWTH_MUST = 1.2  # times longer for each account, with four times as many accounts

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """A line of the answer: what was measured, the median, and where it has to be held against something, how."""

    name: str
    median: float
    unit: str
    ratio: float | None = None
    must: str = ""
    is_met: bool = True


def facts() -> dict[str, str | int | None]:
    """Return what the figures depend on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        version, fsync = cursor.fetchone()
    return {"cpus": os.cpu_count(), "python": platform.python_version(), "postgres": version, "fsync": fsync}


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def signing(*, rounds: int) -> Iterator[Line]:
    """Measure the signing of 1,000 URLs of each kind."""
    bucket = get_r2_client()
    for name, sign in (("download", sign_download), ("upload", sign_upload)):
        sign(bucket, 0)
        times = [seconds(lambda: [sign(bucket, number) for number in range(URLS)]) for _ in range(rounds)]  # noqa: B023
        yield Line(f"signing {URLS:,} {name} URLs", statistics.median(times) * 1000, "ms")


def sign_download(bucket: R2Client, number: int) -> object:
    return bucket.generate_presigned_url(key=f"generations/bench/{number}.png")


def sign_upload(bucket: R2Client, number: int) -> object:
    return bucket.generate_presigned_upload(
        key=f"generations/bench/{number}.png", content_type="image/png", size_bytes=1000, only_once=True
    )


def listing(*, assets: int, rounds: int, now: datetime, progress: Progress) -> Iterator[Line]:
    """Measure the list of an account with so many assets, at both of its ends, against that of one with 100.

    The three pages take turns, so that whatever else the machine does meets them all.
    """
    progress(f"loading {assets:,} assets")
    pages = {}
    for name, count in (("small", SMALL_ASSETS), ("large", assets)):
        (owner,) = dataset.load_people([name], stored_bytes=0, now=now)  # nothing that is billed
        dataset.load_assets(owner, count, now=now)
        client = APIClient(HTTP_HOST="localhost")
        client.force_authenticate(User.objects.get(pk=owner))
        pages[f"{count:,} assets, first page"] = (client, 1)
        if name == "large":
            pages[f"{count:,} assets, last page"] = (client, -(-count // PAGE_ASSETS))
    dataset.analyse()
    progress("asking for pages")
    times: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(rounds * REQUESTS):
        for name, (client, page) in pages.items():
            times[name].append(seconds(lambda: ask(client, page)))  # noqa: B023
    medians = {name: statistics.median(found) * 1000 for name, found in times.items()}
    small_ms, *_ = medians.values()
    for number, (name, median_ms) in enumerate(medians.items()):
        ratio = median_ms / small_ms
        must = f"at most {LIST_MUST} times the small account's" if number else ""
        yield Line(name, median_ms, "ms", ratio if number else None, must, ratio <= LIST_MUST)


def ask(client: APIClient, page: int) -> None:
    answer = client.get("/api/media/assets", {"page": page, "limit": PAGE_ASSETS})
    if answer.status_code != 200 or not answer.json()["assets"]:
        raise RuntimeError(f"page {page} answers {answer.status_code}: {answer.content[:200]!r}")


def billing(*, accounts: int, rounds: int, now: datetime, progress: Progress) -> Iterator[Line]:
    """Measure how many accounts are billed in a minute: a quarter, half and all of them. A round is one more day."""
    loaded, rates = 0, {}
    for size in (accounts // 4, accounts // 2, accounts):
        progress(f"loading {size:,} accounts")
        dataset.load_people((str(number) for number in range(loaded, size)), stored_bytes=dataset.STORED_BYTES, now=now)
        loaded = size
        dataset.analyse()
        times = []
        for _ in range(rounds):
            progress(f"billing {size:,} accounts")
            now += timedelta(days=1)
            times.append(seconds(lambda: bill(size, now)))  # noqa: B023
        rates[size] = size / statistics.median(times) * 60
    quarter, *_ = rates.values()
    for size, rate in rates.items():
        yield Line(
            f"{size:,} accounts billed",
            rate,
            "a minute",
            quarter / rate if size == accounts else None,
            f"at least {BILLED_MUST:,}; each account at most {GROWTH_MUST} times a quarter's"
            if size == accounts
            else "",
            size != accounts or (rate >= BILLED_MUST and quarter / rate <= GROWTH_MUST),
        )


def bill(accounts: int, now: datetime) -> None:
    bills = services.bill_storage(now=now)
    if (bills.accounts, bills.paid, bills.failed) != (accounts, bills.credits, 0):
        raise RuntimeError(f"{accounts:,} accounts should have paid for a day, but: {bills}")
