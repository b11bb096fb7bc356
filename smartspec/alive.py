"""Does this container live? `python -m smartspec.alive` asks its web server, `… worker` the queue. For health checks.

It starts several times a minute, so it knows nothing of Django.
"""

import os
import socket
import sys
import urllib.request

import psycopg

TIMEOUT_SECONDS = 4
# What a worker calls itself at the database. A container's host name is its own, if only by its end; Postgres keeps 63
# bytes.
WORKER = f"smartspec worker {socket.gethostname()[-46:]}"
# A worker beats every ten seconds, by a connection of its own; which of the queue's beats is whose nobody could tell.
HEARD_OF = """SELECT 1 FROM pg_stat_activity
 WHERE application_name = %s AND state_change > clock_timestamp() - make_interval(secs => %s)"""
SILENT_SECONDS = 60


def main() -> int:
    """Returns the exit code."""
    wrong = ask_queue() if sys.argv[1:] == ["worker"] else ask_web_server()
    if wrong:
        print(wrong, file=sys.stderr)  # noqa: T201 - read by docker inspect
    return int(bool(wrong))


def ask_web_server() -> str:
    """Ask `/healthz` under a name that this server answers to. Returns what is wrong."""
    host = os.environ.get("SMARTSPEC_ALLOWED_HOSTS", "localhost").split(",")[0].strip()
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=TIMEOUT_SECONDS):
            return ""
    except OSError as error:
        return f"{url}: {error}"


def ask_queue() -> str:
    """Look whether the worker of this host has been heard of within the last minute. Returns what is wrong."""
    url = os.environ.get("DATABASE_DIRECT_URL") or os.environ["DATABASE_URL"]
    try:
        with psycopg.connect(url, connect_timeout=TIMEOUT_SECONDS) as connection:
            heard_of = connection.execute(HEARD_OF, [WORKER, SILENT_SECONDS]).fetchone()
            return "" if heard_of else f"{WORKER} has not been heard of for a minute"
    except psycopg.Error as error:
        return f"the queue: {error}"


if __name__ == "__main__":
    sys.exit(main())
