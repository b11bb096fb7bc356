"""Client processes that call one function as often as they can, for a given time, all starting together."""

import multiprocessing
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from django.db import connections

from smartspec.bench.errors import BenchError
from smartspec.bench.load import Throughput, percentile_ms

Step = Callable[[], int]  # one call, and how many operations it did
MakeStep = Callable[[random.Random], Step]

START_TIMEOUT_SECONDS = 30


def run_clients(make_step: MakeStep, *, clients: int, seconds: float) -> Throughput:
    """Run `clients` processes for `seconds`. Each makes its step in its own process, so on a connection of its own.

    :raises BenchError: a call failed in one of them.
    """
    connections.close_all()  # a connection must not be shared over a fork
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(clients)
    pipes = []
    processes = []
    try:
        for number in range(clients):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_client, args=(make_step, number, seconds, barrier, theirs), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        return _summary([_receive(pipe, seconds) for pipe in pipes])
    finally:
        for process in processes:
            process.terminate()
            process.join()
        for pipe in pipes:
            pipe.close()


def _client(make_step: MakeStep, number: int, seconds: float, barrier: Barrier, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        step = make_step(random.Random(f"{os.getpid()}-{number}-{time.monotonic()}"))  # noqa: S311  no secret
        step()  # connect, fill what is cached, let the server plan
        barrier.wait(START_TIMEOUT_SECONDS)
        latencies = []
        operations = 0
        cpu = time.process_time()
        begun = last = time.perf_counter()
        while last < begun + seconds:
            operations += step()
            now = time.perf_counter()
            latencies.append(now - last)
            last = now
        pipe.send((operations, last - begun, latencies, time.process_time() - cpu))
    except BaseException:
        barrier.abort()
        pipe.send(traceback.format_exc())
    finally:
        pipe.close()
        os._exit(0)  # nothing that the parent registered for its own end may run here


def _receive(pipe: Connection, seconds: float) -> Any:
    if not pipe.poll(START_TIMEOUT_SECONDS + seconds * 3):
        raise BenchError("a client did not answer")
    try:
        answer = pipe.recv()
    except EOFError:
        raise BenchError("a client ended without an answer") from None
    if isinstance(answer, str):
        raise BenchError(f"a client failed:\n{answer}")
    return answer


def _summary(answers: list[tuple[int, float, list[float], float]]) -> Throughput:
    operations = sum(count for count, *_ in answers)
    latencies = [latency for _, _, several, _ in answers for latency in several]
    return Throughput(
        operations=operations,
        per_second=sum(count / elapsed for count, elapsed, *_ in answers),
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        client_cpu_us=1e6 * sum(cpu for *_, cpu in answers) / max(operations, 1),
    )
