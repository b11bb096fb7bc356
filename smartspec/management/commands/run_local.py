"""`manage.py run_local`: the whole product on one machine, as one process tree. `make run` calls it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from smartspec import local

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 10
WEB_THREADS = 16
WORKER_RESTS_SECONDS = 1  # before it is started again


class Command(BaseCommand):
    help = (
        "Migrate, seed, and serve everything on this machine until Ctrl-C: web server and queue worker, with stand-ins"
        " for whatever has no key in the environment (database, Stripe, R2, mail). Data stays in SMARTSPEC_DATA_DIR."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("run_local is for one's own machine; see README.md for production.")
        self.end_processes_left_by_a_kill()
        self.refuse_a_busy_port()
        logins = self.prepare()
        processes = self.start_processes()
        try:
            self.wait_until_ready(processes)
            self.print_welcome(logins)
            self.wait_for_the_end(processes)
        finally:
            self.stop_processes(processes)

    # --- Start ------------------------------------------------------------------------------------------------

    @property
    def pid_file(self) -> Path:
        return Path(settings.DATA_DIR) / "processes.json"

    def end_processes_left_by_a_kill(self) -> None:
        """End what an earlier run left behind when it was killed before it could stop its children."""
        if not self.pid_file.exists():
            return
        for pid, created_at in json.loads(self.pid_file.read_text()):
            try:
                process = psutil.Process(pid)
                if process.create_time() == created_at:  # else the number belongs to somebody else by now
                    for member in [*process.children(recursive=True), process]:
                        member.kill()
                    process.wait(STOP_TIMEOUT_SECONDS)
            except psutil.NoSuchProcess:
                continue
        self.pid_file.unlink()

    def refuse_a_busy_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", settings.PORT))
            except OSError as error:
                raise CommandError(
                    f"Port {settings.PORT} is in use. Stop what listens there, or choose another: PORT=8001 make run"
                ) from error

    def prepare(self) -> str:
        """Migrate and seed; return the lines with the demo log-ins."""
        self.stdout.write("Preparing the database …")
        call_command("migrate", verbosity=0)
        call_command("check", databases=["default"], tags=["database"], stdout=StringIO())
        if settings.STRIPE_SANDBOX:
            call_command("seed_sandbox", stdout=StringIO())
        call_command("sync_roles", stdout=StringIO())
        logins = StringIO()
        call_command("seed_demo", stdout=logins)
        connections.close_all()
        return logins.getvalue()

    def start_processes(self) -> dict[str, "subprocess.Popen[bytes]"]:
        web = [
            *(sys.executable, "-m", "gunicorn", "smartspec.wsgi", "--bind", f"127.0.0.1:{settings.PORT}"),
            *("--worker-class", "smartspec.server.PromptWorker", "--threads", str(WEB_THREADS)),
            *("--log-level", "warning", "--graceful-timeout", "3", "--no-control-socket"),
            *("--chdir", str(settings.BASE_DIR)),
        ]
        # A session of their own: Ctrl-C reaches this process alone, which then stops them in order.
        processes = {
            "web server": subprocess.Popen(web, start_new_session=True),  # noqa: S603
            "worker": self.start_worker(),
        }
        self.note_processes(processes)
        return processes

    def start_worker(self) -> "subprocess.Popen[bytes]":
        manage = str(settings.BASE_DIR / "manage.py")
        worker = [sys.executable, manage, "procrastinate", "worker", "--shutdown-graceful-timeout", "3"]
        return subprocess.Popen(worker, start_new_session=True)  # noqa: S603

    def note_processes(self, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        pids = [(process.pid, psutil.Process(process.pid).create_time()) for process in processes.values()]
        fresh = self.pid_file.with_suffix(".new")  # half a note, on a full disk, would stop the next start
        try:
            fresh.write_text(json.dumps(pids))
            fresh.replace(self.pid_file)
        except OSError as error:
            self.say(f"{self.pid_file} could not be written: {error}")

    def wait_until_ready(self, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self.refuse_a_dead_process(processes)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{settings.PORT}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise CommandError(f"The web server was not ready within {READY_TIMEOUT_SECONDS} seconds; see the log above.")

    def print_welcome(self, logins: str) -> None:
        lines = [
            "",
            "SmartSpec Pro is running. Ctrl-C ends it; the data stays.",
            "",
            f"  Buy credits      {settings.SITE_URL}/account/buy",
            f"  Plans            {settings.SITE_URL}/account/plans",
            f"  Admin            {settings.SITE_URL}/admin/",
            f"  API              {settings.SITE_URL}/api/docs",
            "",
            "  Log-ins (email / password)",
            *(f"    {line}" for line in logins.splitlines()),
            "",
            "  Stand-ins",
            f"    Database       {self.database_line()}",
            f"    Stripe         {self.stripe_line()}",
            f"    Media          {self.media_line()}",
            f"    Mail           {self.mail_line()}",
            "",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def database_line(self) -> str:
        return "given by DATABASE_URL" if settings.DATABASE_GIVEN else f"embedded Postgres in {settings.DATA_DIR}"

    def stripe_line(self) -> str:
        if not settings.STRIPE_SANDBOX:
            return "Stripe itself, by STRIPE_SECRET_KEY"
        return "this server's sandbox; card 4242 4242 4242 4242, any future date, any CVC (others: README)"

    def media_line(self) -> str:
        if not settings.R2_SANDBOX:
            return "Cloudflare R2, by CLOUDFLARE_R2_*"
        return f"this server's R2 at {settings.CLOUDFLARE_R2_ENDPOINT}, files in {settings.R2_SANDBOX_DIR}"

    def mail_line(self) -> str:
        return f"kept at {settings.SITE_URL}/sandbox/mail" if settings.MAIL_SANDBOX else "sent by EMAIL_URL"

    # --- End --------------------------------------------------------------------------------------------------

    def wait_for_the_end(self, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        """Return on Ctrl-C or SIGTERM.

        :raises CommandError: one of the processes ended by itself.
        """
        is_ending = False

        def end(signum: int, frame: FrameType | None) -> None:
            nonlocal is_ending
            is_ending = True

        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, end)
        while not is_ending:
            ended_with = processes["worker"].poll()
            if ended_with is not None and ended_with >= 0:
                # By itself it ends when it has lost the database; a server's supervisor starts it again, as this does,
                # for as long as it takes: with it the embedded database is started again.
                self.say("The worker ended and is started again.")
                time.sleep(WORKER_RESTS_SECONDS)
                processes["worker"] = self.start_worker()
                self.note_processes(processes)
            self.refuse_a_dead_process(processes)
            time.sleep(0.2)

    def refuse_a_dead_process(self, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        for name, process in processes.items():
            if process.poll() is not None:
                raise CommandError(
                    f"The {name} ended unexpectedly (exit code {process.returncode}); see the log above."
                )

    def stop_processes(self, processes: dict[str, "subprocess.Popen[bytes]"]) -> None:
        self.say("Stopping …")
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.pid_file.unlink(missing_ok=True)
        if not settings.DATABASE_GIVEN:
            local.stop_postgres(settings.DATA_DIR)

    def say(self, sentence: str) -> None:
        """Print a sentence; a full disk under the output ends nothing."""
        with suppress(OSError):
            self.stdout.write(sentence)
            self.stdout.flush()
