"""pgbench, prepared: the same database functions without Python, and the same writes without any check."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from credits.bench import database
from credits.bench.operations import LARGEST_QUANTITY, MODEL, OPERATION, TTL_SECONDS
from smartspec.bench.errors import BenchError
from smartspec.bench.load import Throughput

THREADS = 2
SMOKE_CALLS = 20

# The writes of credits_place_hold for a hold that fits into the first lot, and nothing else: no key is looked up,
# nothing is compared, no plan, no freeze. The floor below which the function cannot come.
UNCHECKED = """
CREATE FUNCTION bench_unchecked_hold(
  p_account uuid, p_credits numeric, p_operation text, p_model text, p_reference text, p_key text, p_fingerprint uuid,
  p_expires timestamptz, p_now timestamptz, OUT number bigint, OUT available numeric
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_head bigint;
BEGIN
  UPDATE credits_account x
     SET available = x.available - p_credits, held = x.held + p_credits, hold_count = x.hold_count + 1,
         next_due_at = least(x.next_due_at, p_expires)
   WHERE x.account_id = p_account
  RETURNING x.hold_count, x.available, x.head_grant INTO number, available, v_head;
  UPDATE credits_grant g SET remaining = g.remaining - p_credits WHERE g.account_id = p_account AND g.number = v_head;
  INSERT INTO credits_hold (account_id, number, operation, model_id, credits, captured, refunded, repaid, status,
    high_priority, lot_numbers, lot_credits, reference_id, idempotency_key, fingerprint, available_after,
    created_at, expires_at)
  VALUES (p_account, number, p_operation, p_model, p_credits, 0, 0, 0, 'open',
    true, ARRAY[v_head], ARRAY[p_credits], p_reference, p_key, p_fingerprint, available, p_now, p_expires);
END $$
"""

_PICK = """
\\set n random({first}, {last})
\\set credits random(1, {largest})
"""
_HOLD = """
SELECT number AS hold, status, credits, high_priority, expires_at, available
  FROM credits_place_hold(md5(:n::text)::uuid, :credits, '{operation}', '{model}', NULL, 'job-1a2b3c4d',
    gen_random_uuid()::text, '6f1c2d3e-0000-4000-8000-000000000000', '{{free,pro,enterprise}}', '{{pro,enterprise}}',
    now() + interval '{ttl} s', now())
"""
_CAPTURE = "SELECT * FROM credits_capture_hold(md5(:n::text)::uuid, :hold, NULL, NULL, now());"
_UNCHECKED_CALL = """
SELECT * FROM bench_unchecked_hold(md5(:n::text)::uuid, :credits, '{operation}', '{model}', 'job-1a2b3c4d',
    gen_random_uuid()::text, '6f1c2d3e-0000-4000-8000-000000000000', now() + interval '{ttl} s', now());
"""
SCRIPTS = {
    "hold": _PICK + _HOLD + ";",
    "pair": _PICK + _HOLD + "\\gset\n" + _CAPTURE,
    "unchecked": _PICK + _UNCHECKED_CALL,
}


def find_program() -> Path | None:
    """Return pgbench: the embedded server's own, else the one on the PATH."""
    folder = database.bin_folder()
    if folder is not None and (folder / "pgbench").exists():
        return folder / "pgbench"
    found = shutil.which("pgbench")
    return None if found is None else Path(found)


def install_unchecked() -> None:
    """Create the unchecked function in the bench's database."""
    database.execute(UNCHECKED)


def run(
    program: Path, script: str, *, first: int, last: int, clients: int, seconds: float, calls: int | None = None
) -> Throughput:
    """Run a script on accounts `first` to `last`, for `seconds` (whole ones) or so many `calls` a client.

    :raises BenchError: pgbench or one of its clients failed.
    """
    text = SCRIPTS[script].format(
        first=first, last=last, largest=LARGEST_QUANTITY, operation=OPERATION, model=MODEL, ttl=TTL_SECONDS
    )
    if calls is None and seconds < 1:
        calls = SMOKE_CALLS
    length = ["-T", str(round(seconds))] if calls is None else ["-t", str(calls)]
    with tempfile.TemporaryDirectory(prefix="smartspec-bench-") as folder:
        path = Path(folder) / f"{script}.sql"
        path.write_text(text)
        command = [str(program), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, THREADS)), *length]
        process = subprocess.Popen(  # noqa: S603
            [*command, "-f", str(path)],
            env=os.environ | database.libpq_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    speed = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
    done = re.search(r"^number of transactions actually processed: ([0-9]+)", output, re.MULTILINE)
    latency = re.search(r"^latency average = ([0-9.]+) ms", output, re.MULTILINE)
    if process.returncode or not speed or not done or "aborted" in errors:
        raise BenchError(f"pgbench failed: {errors.strip() or output.strip()}")
    average = float(latency.group(1)) if latency else 0.0
    return Throughput(int(done.group(1)), float(speed.group(1)), average, 0.0, 0.0)
