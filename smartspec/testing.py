"""Shared fixtures: the cast (alice, bob, a worker), their clients, the queue run in-process, fast fresh databases.

A template database is migrated once per state of the code. Every run, and what follows a transactional test, gets a
copy of it: faster than a flush, and the ledger's entries refuse to be truncated.
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.test import TransactionTestCase
from psycopg import sql
from rest_framework.test import APIClient

PASSWORD = "correct horse battery staple"


# --- Databases ----------------------------------------------------------------------------------------------------


def maintenance_connection() -> psycopg.Connection:
    """Return an autocommit connection to the server's `postgres` database."""
    database = connections["default"].settings_dict
    return psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or None,
        user=database["USER"],
        password=database["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    )


def code_state() -> str:
    """Return a digest of everything that a migration may read."""
    digest = hashlib.sha256()
    for path in sorted(Path(settings.BASE_DIR).glob("*/**/*")):
        if path.suffix in (".py", ".sql") and {"migrations", "djstripe_migrations", "sql"} & set(path.parts):
            digest.update(str(path).encode() + path.read_bytes())
    digest.update((Path(settings.BASE_DIR) / "requirements.txt").read_bytes())
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
            call_command("createcachetable", verbosity=0)
            connections.close_all()
            server.execute(sql.SQL("ALTER DATABASE test_building RENAME TO {}").format(sql.Identifier(template)))
    return template


def use_database(name: str) -> None:
    """Let Django's default connection use database `name` from now on."""
    connections.close_all()
    settings.DATABASES["default"]["NAME"] = name
    connections["default"].settings_dict["NAME"] = name


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

    TransactionTestCase._fixture_teardown = copy_instead_of_flush  # type: ignore[method-assign]
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        with maintenance_connection() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


# --- Stand-ins ----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def stand_ins_in_process(settings: Any, tmp_path: Path) -> None:
    """Webhooks of the Stripe sandbox reach this process without a socket; mail lands in `mailoutbox`."""
    settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.delivery.post_in_process"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@pytest.fixture
def now() -> datetime:
    """A moment on which the tests agree."""
    return datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def run_jobs(db: None) -> Callable[[], int]:
    """Return a function that runs every due job of the queue here and now, until none is left, and counts them.

    Jobs run one after the other on the test's own connection, so that they see what the test did. A job that fails
    raises.
    """
    from procrastinate.contrib.django import app

    def run() -> int:
        count = 0
        while job := next_job():
            job_id, task_name, arguments = job
            app.tasks[task_name].func(**arguments)
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job_id])
            count += 1
        return count

    def next_job() -> tuple[int, str, dict[str, Any]] | None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, task_name, args FROM procrastinate_jobs WHERE status = 'todo'"
                " AND (scheduled_at IS NULL OR scheduled_at <= now()) ORDER BY priority DESC, id LIMIT 1"
            )
            row = cursor.fetchone()
        return (row[0], row[1], row[2]) if row else None

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
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
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
    from smartspec.users import services

    created = services.create_service_key(name="test worker", scopes=["credits:spend"])
    return APIClient(HTTP_AUTHORIZATION=f"Api-Key {created.secret}")
