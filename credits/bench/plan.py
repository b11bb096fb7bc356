"""What is measured, against what, and the steps of a round."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from credits.bench import http, operations, peer, pgbench, reads
from credits.bench.clients import MakeStep, run_clients
from credits.bench.dataset import Dataset
from credits.bench.http import Server
from credits.bench.peer import Hordak
from smartspec import clock
from smartspec.bench import load
from smartspec.bench.load import Throughput

CLIENT_COUNTS = (1, 2, 4, 8, 16)
HTTP_CONNECTIONS = 8
BATCH_SIZE = 10
READ_SHARE = 0.25  # of a round's seconds: reads vary little

Reading = Throughput | float  # a float is milliseconds, bytes or a share


@dataclass(frozen=True)
class Measure:
    """A ratio of two readings (or one reading), the least that is acceptable and what to reach for."""

    group: str
    label: str
    reading: str
    over: str | None
    must: float
    goal: float
    unit: str = ""
    at_most: bool = False


MEASURES = (
    Measure(
        "hold", "service place_hold / pgbench running the same function, 1 client", "service 1", "pgbench 1", 0.55, 0.70
    ),
    Measure(
        "hold",
        "service place_hold / pgbench running the same function, 4 clients",
        "service 4",
        "pgbench 4",
        0.45,
        0.65,
    ),
    Measure(
        "pair", "hold + capture / pgbench running the same pair, 4 clients", "pair 4", "pgbench pair 4", 0.45, 0.65
    ),
    Measure(
        "unchecked",
        "the function / the same writes without any check, 8 clients",
        "pgbench 8",
        "unchecked 8",
        0.70,
        0.85,
    ),
    Measure("orm", "service place_hold / naive ORM version, 4 clients", "service 4", "orm 4", 5, 8),
    Measure("hordak", "service place_hold / django-hordak transfer_to, 4 clients", "service 4", "hordak 4", 3, 4),
    Measure(
        "hordak",
        "service place_hold / hordak with lock and balance check, 4 clients",
        "service 4",
        "hordak guarded 4",
        5,
        8,
    ),
    Measure("hot", "hot account: service place_hold / pgbench, 8 clients", "hot 8", "hot pgbench 8", 0.7, 0.9),
    Measure("hot", "hot account: hold_many(10) / pgbench, 8 clients", "hot many 8", "hot pgbench 8", 2, 3),
    Measure("http", "POST /api/credits/holds / a no-op POST, 8 connections", "http holds", "http no-op", 0.45, 0.65),
    Measure(
        "balance",
        "GET /api/credits/balance: 1,000,000 entries / none",
        "balance long",
        "balance new",
        1.25,
        1.10,
        at_most=True,
    ),
    Measure(
        "history",
        "history: page 40,000 / page 1 of 1,000,000 entries",
        "page last",
        "page first",
        1.5,
        1.2,
        at_most=True,
    ),
    Measure(
        "history", "history of one type: page 1,000 / page 1", "typed page far", "typed page first", 5, 2, at_most=True
    ),
    Measure(
        "usage", "usage over 90 days, the slowest of the three selectors", "usage", None, 5, 2, " ms", at_most=True
    ),
    Measure(
        "usage", "usage over 90 days by day: added up from the entries / ours", "usage raw", "usage by day", 50, 200
    ),
    Measure(
        "storage", "bytes per hold + capture, all tables and indexes", "bytes", None, 1000, 800, " B", at_most=True
    ),
    Measure("storage", "HOT share of updates on accounts", "hot accounts", None, 90, 97, " %"),
    Measure("storage", "HOT share of updates on lots", "hot lots", None, 90, 97, " %"),
    Measure("books", "verify_ledger: 1,000,000 entries", "verify", None, 60, 30, " s", at_most=True),
    Measure("books", "export of 1,000,000 entries: its first rows after", "export", None, 200, 50, " ms", at_most=True),
)
GROUPS = (*dict.fromkeys(measure.group for measure in MEASURES), "clients")


@dataclass
class Session:
    """What the steps run on: the data, and the peers that are there. `missing` says why a group is not measured."""

    dataset: Dataset
    pgbench: Path | None = None
    hordak: Hordak | None = None
    server: Server | None = None
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One thing that a round does for so many seconds, and the groups of measures that need it."""

    label: str
    groups: frozenset[str]
    run: Callable[[float], dict[str, Reading]]


@contextmanager
def open_session(dataset: Dataset, groups: set[str]) -> Iterator[Session]:
    """Start what the groups need besides the database, and end it afterwards."""
    session = Session(dataset, pgbench=pgbench.find_program())
    if session.pgbench is None:
        session.missing |= dict.fromkeys(("hold", "pair", "unchecked", "hot", "storage"), "pgbench not found")
    else:
        pgbench.install_unchecked()
    with ExitStack() as stack:
        if "hordak" in groups:
            if peer.is_installed():
                session.hordak = stack.enter_context(peer.hordak(dataset.accounts))
            else:
                session.missing["hordak"] = "django-hordak is not installed (requirements-bench.txt)"
        if groups & {"http", "balance"}:
            session.server = stack.enter_context(http.web_server(dataset))
        yield session


def steps(session: Session, groups: set[str]) -> list[Step]:
    """Return the steps of a round for some groups. What is compared stands side by side."""
    return [step for step in _all_steps(session) if step.groups & groups - session.missing.keys()]


def _all_steps(session: Session) -> Iterator[Step]:
    data = session.dataset
    anyone, hot = operations.any_of(data.accounts), operations.always(data.hot)
    uniform = (1, data.accounts)
    hot_alone = (data.accounts + 1, data.accounts + 1)
    needs = {1: {"hold"}, 4: {"hold", "orm", "hordak"}}
    for count in CLIENT_COUNTS:
        yield _clients(f"service {count}", {"clients", *needs.get(count, ())}, operations.service_hold(anyone), count)
        if session.pgbench is not None:
            wanted = {"clients"} | ({"hold"} if count in needs else {"unchecked"} if count == 8 else set())
            yield _pgbench(session.pgbench, f"pgbench {count}", wanted, "hold", uniform, count)
        if count == 4:
            yield _clients("orm 4", {"orm"}, operations.orm_hold(anyone), count)
        if session.hordak is not None and count == 4:
            yield _hordak(session.hordak, "hordak 4", "plain")
            yield _hordak(session.hordak, "hordak guarded 4", "guarded")
        if session.pgbench is not None and count == 8:
            yield _pgbench(session.pgbench, "unchecked 8", {"unchecked"}, "unchecked", uniform, count)
    if session.pgbench is not None:
        yield _clients("pair 4", {"pair"}, operations.service_pair(anyone), 4)
        yield _pgbench(session.pgbench, "pgbench pair 4", {"pair"}, "pair", uniform, 4)
        yield _clients("hot 8", {"hot"}, operations.service_hold(hot), 8)
        yield _pgbench(session.pgbench, "hot pgbench 8", {"hot"}, "hold", hot_alone, 8)
        yield _clients("hot many 8", {"hot"}, operations.service_hold_many(hot, BATCH_SIZE), 8)
    if session.server is not None:
        yield _http(session.server, "http holds", "/api/credits/holds", data.accounts)
        yield _http(session.server, "http no-op", "/bench/no-op", data.accounts)
        yield _balance(session.server)
    yield _history(data)
    yield _usage(data)


def _clients(name: str, groups: set[str], make_step: MakeStep, clients: int) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        return {name: run_clients(make_step, clients=clients, seconds=seconds)}

    return Step(name, frozenset(groups), run)


def _pgbench(program: Path, name: str, groups: set[str], script: str, accounts: tuple[int, int], clients: int) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        first, last = accounts
        return {name: pgbench.run(program, script, first=first, last=last, clients=clients, seconds=seconds)}

    return Step(name, frozenset(groups), run)


def _hordak(hordak: Hordak, name: str, kind: str) -> Step:
    return Step(name, frozenset({"hordak"}), lambda seconds: {name: hordak.run(kind, clients=4, seconds=seconds)})


def _http(server: Server, name: str, path: str, accounts: int) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        orders = http.hold_order(path, server.service_key, accounts)
        return {name: load.load(server.port, orders, connections=HTTP_CONNECTIONS, seconds=seconds)}

    return Step(name, frozenset({"http"}), run)


def _balance(server: Server) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        keys = (server.long_key, server.new_key)
        messages = [load.request("GET", "/api/credits/balance", http.key_header(key)) for key in keys]
        long, new = http.latencies_in_turn(server.port, messages, seconds=seconds * READ_SHARE)
        return {"balance long": long, "balance new": new}

    return Step("balance", frozenset({"balance"}), run)


def _history(data: Dataset) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        first, last, typed_first, typed_far = reads.time_in_turn(
            [
                reads.page(data, 1),
                reads.page(data, reads.last_page(data)),
                reads.page(data, 1, reads.SPARSE_TYPE),
                reads.page(data, reads.sparse_page(data), reads.SPARSE_TYPE),
            ],
            seconds=seconds * READ_SHARE,
        )
        return {"page first": first, "page last": last, "typed page first": typed_first, "typed page far": typed_far}

    return Step("history", frozenset({"history"}), run)


def _usage(data: Dataset) -> Step:
    def run(seconds: float) -> dict[str, Reading]:
        now = clock.now()
        times = reads.time_in_turn(reads.usage_calls(data, now), seconds=seconds * READ_SHARE)
        return {"usage": max(times), "usage by day": times[0], "usage raw": reads.raw_usage_ms(data, now)}

    return Step("usage", frozenset({"usage"}), run)
