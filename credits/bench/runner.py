"""The order of a run: load, warm up, rounds, storage, books."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import FrameType

from django.db import connections

from credits import selectors
from credits.bench import dataset as data
from credits.bench import plan, reads, storage
from credits.bench.database import bench_database, server_cpu_seconds, server_facts
from credits.bench.dataset import Dataset
from credits.bench.report import Round, number, plain
from smartspec import clock
from smartspec.bench.errors import BenchError
from smartspec.bench.load import Throughput

WARM_UP_SECONDS = 1.0
VERIFIED_ACCOUNTS = 50
SETTLE_SECONDS = 0.05  # until the server has taken note that its clients are gone


@dataclass(frozen=True)
class Length:
    """How long, and on how much."""

    rounds: int
    seconds: float
    warm_up: bool
    durable: bool
    accounts: int
    history_entries: int
    pairs: int


FULL = Length(rounds=5, seconds=2, warm_up=True, durable=True, accounts=10_000, history_entries=1_000_000, pairs=40_000)
SMOKE = Length(rounds=1, seconds=0.05, warm_up=False, durable=False, accounts=50, history_entries=2_000, pairs=80)


@dataclass
class Run:
    """What a run has seen. When it was interrupted, or something failed, that is what there was until then."""

    rounds: list[Round] = field(default_factory=list)
    server: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    failure: str = ""


def run(length: Length, groups: set[str], *, progress: Callable[[str], None]) -> Run:
    """Measure some groups. Ctrl-C or a failure ends it in order, with the rounds that were finished."""
    seen = Run()
    try:
        with bench_database(durable=length.durable):
            seen.server = server_facts()
            dataset = Dataset(length.accounts, length.history_entries)
            data.load(dataset, now=clock.now(), progress=progress)
            with plan.open_session(dataset, groups) as session:
                seen.missing = session.missing
                _measure(seen, session, length, groups, progress)
            _verify(dataset, progress)
    except KeyboardInterrupt:
        seen.interrupted = True
    except BenchError as error:
        seen.failure = str(error)
    return seen


def stop(signum: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does: what SIGTERM is handled with."""
    raise KeyboardInterrupt


def _measure(
    seen: Run, session: plan.Session, length: Length, groups: set[str], progress: Callable[[str], None]
) -> None:
    steps = plan.steps(session, groups)
    if length.warm_up:
        for step in steps:
            progress(f"warming up: {step.label}")
            step.run(WARM_UP_SECONDS)
    for round_number in range(1, length.rounds + 1):
        one: Round = {}
        # Every other round runs backwards, so that no step always follows the same one.
        for step in steps if round_number % 2 else reversed(steps):
            readings = _with_server_cpu(step, length.seconds)
            shown = ", ".join(f"{name} {plain(number(reading))}" for name, reading in readings.items())
            progress(f"round {round_number} of {length.rounds}: {shown}")
            one |= readings
        seen.rounds.append(one)
    if "storage" in groups and session.pgbench is not None:
        progress(f"storage: {length.pairs:,} holds and captures")
        seen.rounds.append(storage.measure(session.pgbench, session.dataset, pairs=length.pairs))
    if "books" in groups:
        progress(f"books: {length.history_entries:,} entries")
        seen.rounds.append({**reads.books(session.dataset)})


def _with_server_cpu(step: plan.Step, seconds: float) -> dict[str, plan.Reading]:
    before = server_cpu_seconds()
    readings = step.run(seconds)
    time.sleep(SETTLE_SECONDS)
    after = server_cpu_seconds()
    if before is None or after is None:
        return readings
    return {
        name: replace(reading, server_cpu_us=1e6 * (after - before) / max(reading.operations, 1))
        if isinstance(reading, Throughput)
        else reading
        for name, reading in readings.items()
    }


def _verify(dataset: Dataset, progress: Callable[[str], None]) -> None:
    """Look whether the books of some accounts add up: speed that breaks them would be worth nothing."""
    connections.close_all()
    step = max(dataset.accounts // VERIFIED_ACCOUNTS, 1)
    for one in range(1, dataset.accounts + 1, step):
        faults = selectors.verify_account(account_id=data.account_id(one))
        if faults:
            raise BenchError(f"The books do not add up after the run: {faults[0]}")
    progress("the books of the accounts add up")
