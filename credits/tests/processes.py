"""Processes of their own for races and crashes: forked from the test, each with its own connection to the database."""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from django.db import connection, connections

from smartspec.errors import DomainError

_fork = multiprocessing.get_context("fork")
TIMEOUT_SECONDS = 600


def at_once(count: int, run: Callable[[int], Any]) -> list[Any]:
    """Run a function in `count` processes that begin together; return what each answered, or the refusal it met."""
    barrier = _fork.Barrier(count)
    answers = _fork.SimpleQueue()
    connections.close_all()  # a connection must not be shared with a child
    children = [start(_one, n, run, barrier, answers) for n in range(count)]
    found = dict(answers.get() for _ in children)
    for child in children:
        child.join(TIMEOUT_SECONDS)
    for answer in found.values():
        assert not (isinstance(answer, str) and answer.startswith("Traceback")), answer
    return [found[n] for n in range(count)]


def start(run: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start one child."""
    child = _fork.Process(target=run, args=arguments, daemon=True)
    child.start()
    return child


def kill(child: BaseProcess) -> None:
    """Kill a child with -9 and wait until it is gone."""
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(TIMEOUT_SECONDS)


def _one(n: int, run: Callable[[int], Any], barrier: Barrier, answers: Any) -> None:
    connection.ensure_connection()
    barrier.wait(TIMEOUT_SECONDS)
    try:
        answer = run(n)
    except DomainError as refusal:
        answer = type(refusal)
    except BaseException:
        answer = traceback.format_exc()
    connections.close_all()
    answers.put((n, answer))
