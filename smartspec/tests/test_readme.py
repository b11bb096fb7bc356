"""The README's blocks that a reader can copy are run, as they stand, against a running product."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from media.tests.conftest import PNG
from smartspec.testing import Product

README = (Path(settings.BASE_DIR) / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
# What is not run: pictures, and what builds an environment, ends with Ctrl-C, needs a program or account of others'.
NOT_RUN = {
    "the two commands (`make run` is run by smartspec/tests/test_run_local.py, `make test` is this)": "make run ",
    "how money becomes credits (a picture)": "app or browser",
    "how the ledger works (a picture)": "grants  ",
    "how files are kept (a picture)": "app or worker",
    "translations (need gettext's tools)": "makemessages",
    "Stripe's own CLI (needs an account)": "stripe listen",
}


def block(part: str) -> str:
    (found,) = [text for _, text in BLOCKS if part in text]
    return found


def test_every_block_is_run_or_named_with_its_reason() -> None:
    run = ("api/credits/balance", "curl -T cat.png", "get_r2_client", "sandbox refund")
    for _, text in BLOCKS:
        assert any(part in text for part in (*run, *NOT_RUN.values())), text


@pytest.mark.django_db
def test_the_buckets_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.png").write_bytes(PNG)
    names: dict[str, Any] = {}
    exec(block("get_r2_client"), names)  # noqa: S102 - the README's own words
    assert "generations/user123/image_001.png" in names["url"]


@pytest.mark.serial
def test_the_shells_lines_run(product: Product, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(PNG)
    lines = f"set -e\n{block('api/credits/balance')}\necho\n{block('curl -T cat.png')}".replace(
        "localhost:8000", f"localhost:{product.port}"
    )
    done = subprocess.run(
        ["/bin/bash", "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads("[" + re.sub(r"\}\s*\{", "},{", done.stdout.strip()) + "]")
    assert answers[0]["available_credits"] >= 0
    assert "/checkout/" in answers[1]["url"]
    assert answers[2]["asset"]["status"] == "stored"
    assert product.manage("sandbox", "pay", answers[1]["session_id"]).returncode == 0
    commands = [shlex.split(line, comments=True)[1:] for line in block("sandbox refund").splitlines()]
    for command in commands:
        done = product.manage(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
