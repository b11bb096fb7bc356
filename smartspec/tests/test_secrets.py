"""No secret was ever committed: the whole history is searched, not only what stands there now."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

SECRETS = {
    "a live Stripe key": r"\b[sr]k_live_[A-Za-z0-9]{16,}",
    "a test Stripe key, other than placeholders": r"\b[sr]k_test_(?!\w*0{8})[A-Za-z0-9]{24,}",
    "a webhook secret": r"\bwhsec_[A-Za-z0-9+/]{24,}",
    "an AWS key": r"\bAKIA[0-9A-Z]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of a service of ours": r"\bs[su]k_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}\b",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "a Sentry address": r"https://[0-9a-f]{32}@",
}
FOUND = re.compile("|".join(f"(?:{pattern})" for pattern in SECRETS.values()))


def history() -> str:
    """Return every line that was ever added, on what has led to this commit."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "log",
        "--patch",
        "--unified=0",
        "--no-color",
        "--no-ext-diff",
        "--text",
        "HEAD",
    ]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize(
    "secret",
    [
        "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "rk_" + "test_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "whsec_" + "Zk3" * 10,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "-----BEGIN " + "RSA PRIVATE KEY-----",
    ],
)
def test_the_search_finds_what_it_looks_for(secret: str) -> None:
    assert FOUND.search(f'+    key = "{secret}"')


def test_the_documented_keys_of_the_sandbox_are_no_secrets() -> None:
    assert not FOUND.search(" ".join((settings.STRIPE_SECRET_KEY, *settings.STRIPE_WEBHOOK_SECRETS)))


def test_no_secret_was_ever_committed() -> None:
    assert (Path(settings.BASE_DIR) / ".git").exists()
    added = (line for line in history().splitlines() if line.startswith("+"))
    assert [line[:60] for line in added if FOUND.search(line)] == []
