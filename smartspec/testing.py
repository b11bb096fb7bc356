"""Shared fixtures: the cast (alice, bob, a worker), their clients, the queue run in-process, fast fresh databases.

A template database is migrated once per state of the code. Every run, and what follows a transactional test, gets a
copy of it: faster than a flush, and the ledger's entries refuse to be truncated.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fasteners
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.test import TransactionTestCase
from django.utils import timezone
from psycopg import sql
from rest_framework.test import APIClient

from smartspec.bench.server import free_port

PASSWORD = "correct horse battery staple"


# --- Databases ----------------------------------------------------------------------------------------------------


def maintenance_connection(name: str = "postgres") -> psycopg.Connection:
    """Return an autocommit connection to a database of the server's, past Django."""
    database = connections["default"].settings_dict
    return psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname=name,
        autocommit=True,
    )


def code_state() -> str:
    """Return a digest of everything that a migration may read."""
    digest = hashlib.sha256()
    for app in ("smartspec", "credits", "billing", "media"):
        for path in sorted((Path(settings.BASE_DIR) / app).rglob("*")):
            if path.suffix in (".py", ".sql") and {"migrations", "djstripe_migrations", "sql"} & set(path.parts):
                digest.update(str(path).encode() + path.read_bytes())
    digest.update((Path(settings.BASE_DIR) / "requirements.txt").read_bytes())
    digest.update(" ".join(settings.INSTALLED_APPS).encode())
    return digest.hexdigest()[:16]


def copy_database(template: str, name: str) -> None:
    """Replace database `name` by a copy of `template`, whoever is connected to it."""
    connections.close_all()
    with maintenance_connection() as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )


def ensure_template() -> str:
    """Return the name of a migrated, seeded template database, made anew when a migration has changed."""
    template = f"test_template_{code_state()}"
    with maintenance_connection() as server:
        # Two test processes must not build it at the same time.
        server.execute("SELECT pg_advisory_lock(hashtext('smartspec test template'))")
        names = [name for (name,) in server.execute("SELECT datname FROM pg_database").fetchall()]
        if template not in names:
            for stale in (name for name in names if name.startswith(("test_template_", "test_building"))):
                server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(stale)))
            server.execute("CREATE DATABASE test_building")
            use_database("test_building")
            call_command("migrate", verbosity=0)
            connections.close_all()
            server.execute(sql.SQL("ALTER DATABASE test_building RENAME TO {}").format(sql.Identifier(template)))
    return template


def use_database(name: str) -> None:
    """Let Django's default connection use database `name` from now on."""
    connections.close_all()
    settings.DATABASES["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


@contextmanager
def scratch_database(name: str, *, durable: bool = False) -> Iterator[None]:
    """Let Django use a new, migrated database of this name; drop it afterwards.

    `durable` gives the embedded server the fsync back that tests, which need not outlive a crash, have taken from it.
    """
    own_name = settings.DATABASES["default"]["NAME"]
    try:
        copy_database(ensure_template(), name)
        with maintenance_connection() as server:
            if durable and not settings.DATABASE_GIVEN:
                server.execute("ALTER SYSTEM RESET fsync")
                server.execute("SELECT pg_reload_conf()")
        use_database(name)
        yield
    finally:
        use_database(own_name)
        with maintenance_connection() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """Give this test process its own copy of the template, and every transactional test a fresh one."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    name = f"test_smartspec_{worker}"
    with django_db_blocker.unblock():
        if not settings.DATABASE_GIVEN:
            with maintenance_connection() as server:  # nothing here must outlive a crash
                server.execute("ALTER SYSTEM SET fsync = off")
                server.execute("SELECT pg_reload_conf()")
        else:
            settings.MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}
        template = ensure_template()
        copy_database(template, name)
        use_database(name)

    def copy_instead_of_flush(self: TransactionTestCase) -> None:
        copy_database(template, name)

    TransactionTestCase._fixture_teardown = copy_instead_of_flush  # type: ignore[attr-defined]
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        with maintenance_connection() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            if not settings.DATABASE_GIVEN:  # the server is the one of `make run`, whose data must
                server.execute("ALTER SYSTEM RESET fsync")
                server.execute("SELECT pg_reload_conf()")


# --- Stand-ins ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def stand_ins_in_process(settings: Any, tmp_path: Path) -> None:
    """The Stripe sandbox's webhooks need no socket; mail lands in `mailoutbox`; every test has an empty bucket."""
    from smartspec import operations

    settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.delivery.post_in_process"
    settings.R2_SANDBOX_DIR = tmp_path / "r2"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    operations.forget_readiness()


@pytest.fixture
def now() -> datetime:
    """A moment on which the tests agree."""
    return datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


SetClock = Callable[[datetime], None]
_clock_offset = timedelta(0)


def read_clock_offset() -> timedelta:
    """Return how far the running test has moved the clock; the product asks here, as it asks a machine of one's own."""
    return _clock_offset


@pytest.fixture
def set_clock(settings: Any) -> Iterator[SetClock]:
    """Return a function that lets the product's clock show another moment, from which it goes on."""
    from smartspec import clock

    def to(moment: datetime) -> None:
        global _clock_offset
        settings.CLOCK_OFFSET = f"{__name__}.read_clock_offset"
        _clock_offset = moment - timezone.now()
        clock.forget_offset()

    yield to
    to(timezone.now())


@pytest.fixture
def run_jobs(db: None) -> Callable[..., int]:
    """Return a function that runs every due job of the queue here and now, until none is left, and counts them.

    Jobs run one after the other on the test's own connection, so that they see what the test did. A job that fails
    raises. `skip` names tasks whose jobs stay where they are.
    """
    from procrastinate.contrib.django import app

    from smartspec import clock, jobs

    def run(*, skip: Sequence[str] = ()) -> int:
        count = 0
        while job := next_job(skip):
            job_id, task_name, arguments = job
            try:
                app.tasks[task_name].func(**arguments)
            except Exception as error:  # as a worker notes it
                jobs.keep_failure(job_id=job_id, error=error, now=clock.now())
                raise
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job_id])
            count += 1
        return count

    def next_job(skip: Sequence[str]) -> tuple[int, str, dict[str, Any]] | None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo' AND task_name <> ALL(%s)"
                " AND (scheduled_at IS NULL OR scheduled_at <= now()) ORDER BY priority DESC, id LIMIT 1",
                [list(skip)],
            )
            row = cursor.fetchone()
        return (row[0], row[1], json.loads(row[2])) if row else None  # Django leaves jsonb as text

    return run


# --- The cast -----------------------------------------------------------------------------------------------------


def make_user(email: str, *, is_verified: bool = True, **fields: Any) -> Any:
    """Create a person with the password of all test people."""
    from allauth.account.models import EmailAddress

    from smartspec.users.models import User

    user = User.objects.create_user(email, PASSWORD, **fields)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=is_verified)
    return user


def make_client(user: Any) -> APIClient:
    """Return a client of the API with a desktop session of `user`."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {session.session_key}")


@pytest.fixture
def alice(db: None) -> Any:
    """A verified user."""
    return make_user("alice@smartspec.test", name="Alice")


@pytest.fixture
def bob(db: None) -> Any:
    """Another verified user, who must see nothing of Alice's."""
    return make_user("bob@smartspec.test", name="Bob")


@pytest.fixture
def anonymous_client() -> APIClient:
    return APIClient()


@pytest.fixture
def alice_client(alice: Any) -> APIClient:
    return make_client(alice)


@pytest.fixture
def bob_client(bob: Any) -> APIClient:
    return make_client(bob)


@pytest.fixture
def worker_client(db: None) -> APIClient:
    """A generation worker: a service key with the scope `credits:spend`."""
    from smartspec import clock
    from smartspec.users import services

    created = services.create_service_key(name="test worker", scopes=["credits:spend"], now=clock.now())
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {created.secret}")


# --- The whole product, as a stranger runs it ---------------------------------------------------------------------


@dataclass
class Product:
    """A process tree of `manage.py run_local` with data and a port of its own."""

    data_dir: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def output(self) -> str:
        """Everything that the product has printed, log lines included."""
        return (self.data_dir / "output.txt").read_text()

    @property
    def environment(self) -> dict[str, str]:
        """Return what a shell needs to run `manage.py` on the same data."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("SMARTSPEC_", "STRIPE_"))
        }
        inherited.pop("DATABASE_URL", None)
        return inherited | {"PORT": str(self.port), "SMARTSPEC_DATA_DIR": str(self.data_dir)}

    def start(self, timeout_seconds: int = 240) -> None:
        """Start it and wait until it has printed that it runs."""
        with (self.data_dir / "output.txt").open("ab") as output:
            before = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_local"],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout_seconds
        while "SmartSpec Pro is running" not in (printed := self.printed_since(before)):
            assert self.process.poll() is None, f"it ended:\n{printed}"
            assert time.monotonic() < deadline, f"it never got ready:\n{printed}"
            time.sleep(0.1)

    def printed_since(self, offset_bytes: int) -> str:
        """Return what it has printed since: all of it is too much to be read again and again."""
        with (self.data_dir / "output.txt").open("rb") as output:
            output.seek(offset_bytes)
            return output.read().decode(errors="replace")

    def stop(self) -> int:
        """Press Ctrl-C and return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one `manage.py` command on the product's data."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=settings.BASE_DIR, env=self.environment, capture_output=True, text=True, check=False
        )


@contextmanager
def small_disk(path: Path, size_kb: int) -> Iterator[None]:
    """Let a folder be a disk of its own, in memory, that can be filled.

    :raises AssertionError: this process may not mount one.
    """
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "smartspec-test", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"A test that fills a disk needs to mount a small one: run it as root. {done.stderr}"
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # noqa: S607


def copy_migrated_data(target: str) -> None:
    """Copy a data folder whose database is migrated and at rest, made anew when a migration has changed: migrating is
    most of a product's first start."""
    folder = Path(settings.DATA_DIR) / "migrated" / code_state()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(folder.parent / "lock"):
        if not folder.exists():
            for stale in folder.parent.glob("*/"):
                shutil.rmtree(stale)
            building = folder.with_name("building")
            migrated = Product(data_dir=building, port=free_port()).manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
            building.rename(folder)
        # With its owner: where root runs the tests, the database belongs to another user.
        subprocess.run(["cp", "--archive", f"{folder}/.", target], check=True)  # noqa: S607


@contextmanager
def run_product(*, is_new: bool = False, disk_mb: int | None = None) -> Iterator[Product]:
    """Run a product of one's own, where asked for from an empty folder, or on a disk of its own of this size.

    Its data is not in pytest's folder: where root runs the tests, the database belongs to another user, and pytest
    takes everybody else's access to its folder away whenever it starts.
    """
    with ExitStack() as stack:
        data_dir = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="smartspec-test-", ignore_cleanup_errors=True)
        )
        if disk_mb is not None:
            stack.enter_context(small_disk(Path(data_dir), disk_mb * 1024))
        if not is_new:
            copy_migrated_data(data_dir)
        product = Product(data_dir=Path(data_dir), port=free_port())
        product.start()
        try:
            yield product
        finally:
            if product.process is not None and product.process.poll() is None:
                product.stop()


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The running product: web server, worker, embedded database, sandbox."""
    with run_product() as running:
        yield running


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive Debian's Chromium."""
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
