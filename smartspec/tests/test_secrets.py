"""No secret was ever committed: the whole history is searched, not only what stands there now."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from smartspec.tests.history import git
from smartspec.users import keys

ASSIGNED = r"""["'\])]*\s*[=:]\s*["']?(?!\w*settings\.)"""
# What secrets look like; the group is the secret itself.
SECRETS = {
    "a live Stripe key": r"\b([sr]k_live_[A-Za-z0-9]{16,})",
    "a test Stripe key": r"\b([sr]k_test_[A-Za-z0-9]{24,})",
    "a webhook secret": r"\b(whsec_[A-Za-z0-9+/]{24,})",
    "an access key of S3": r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b",
    "an access key of R2": rf"(?i:access_?key(?:_?id)?){ASSIGNED}([0-9a-f]{{32}})\b",
    "a secret key of R2 or S3": rf"(?i:secret(?:_?access)?_?key){ASSIGNED}([0-9a-f]{{64}}|[\w/+]{{40}})(?![\w/+])",
    "a password in a URL": r"""\b[a-z][a-z0-9+.-]*://[^\s/:@"'`<>]*:(?![${<])([^\s/@"'`<>]+)@""",
    "a password in the environment": r"""\b[A-Z_]*PASSWORD=["']?(?![${<])([^\s"'`]{8,})""",
    "a secret key of Django": rf"""(?<!STRIPE_)(?:SECRET|HASH)_KEY(?:_FALLBACKS)?{ASSIGNED}([^\s"'`]{{32,}})""",
    "a secret key that Django made up": r"""(django-insecure-[^\s"'`]{20,})""",
    "a Sentry DSN": r"https?://(\w{16,})(?::\w+)?@[\w.-]+/\d",
    "a key of a service of ours": r"\b(s[su]k_[A-Za-z0-9]{8}_[A-Za-z0-9]{43})\b",
    "a private key": r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)",
    "a GitHub token": r"\b(gh[pousr]_[A-Za-z0-9]{36})\b",
}
# What looks like one and opens nothing: placeholders of the documents, and what tests make up.
DOCUMENTED = {
    "a test Stripe key": {"sk_test_000000000000000000000000", "sk_test_outsideprogram0000000000"},
    "a password in a URL": {
        *("password", "pass", "pw", "database-secret", "secret", "8000", r"1420\\"),
        # Marks that the parts of a URL begin with.
        *("1?secret", "12?secret", "12#secret", "secret#12", "secret?1", "secret?12", "p%23x%2F%3F", "p%2F%3F%40%23"),
    },
}
# Made up, and joined only here: this file is searched as well.
HEXADECIMAL, LETTERS = "0123456789abcdef", "Xk4vT9mQ2rLw7ZpB"
EXAMPLES = [
    ("a live Stripe key", "sk_" + "live_" + LETTERS * 2),
    ("a test Stripe key", "rk_" + "test_" + LETTERS * 2),
    ("a webhook secret", "whsec_" + LETTERS * 2),
    ("an access key of S3", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("an access key of R2", "CLOUDFLARE_R2_ACCESS_KEY_ID=" + HEXADECIMAL * 2),
    ("an access key of R2", "R2Storage(access_key='" + HEXADECIMAL * 2 + "')"),
    ("a secret key of R2 or S3", "CLOUDFLARE_R2_SECRET_ACCESS_KEY=" + HEXADECIMAL * 4),
    ("a secret key of R2 or S3", '{"aws_secret_access_key": "' + LETTERS * 2 + '/a+b/c+d"}'),
    ("a password in a URL", "EMAIL_URL=smtp+tls://mailer:" + LETTERS + "@smtp.example.com:587"),
    ("a password in a URL", "DATABASE_URL=postgres://smartspec:" + LETTERS + "@db.example.com/smartspec"),
    ("a password in a URL", "redis://:" + LETTERS + "@cache.example.com"),
    ("a password in the environment", "POSTGRES_PASSWORD=" + LETTERS),
    ("a secret key of Django", "SMARTSPEC_SECRET_KEY=" + LETTERS * 5),
    ("a secret key of Django", "SMARTSPEC_SECRET_KEY_FALLBACKS=" + LETTERS * 5),
    ("a secret key of Django", "environ['SECRET_KEY'] = '" + "r#4(k!z&" * 6 + "'"),
    ("a secret key of Django", "SMARTSPEC_ADDRESS_HASH_KEY=" + LETTERS * 5),
    ("a secret key that Django made up", "django-" + "insecure-" + "r#4(k!z&" * 6),
    ("a Sentry DSN", "SENTRY_DSN=https://" + HEXADECIMAL * 2 + "@o4505.ingest.us.sentry.io/4506"),
    ("a Sentry DSN", "https://" + HEXADECIMAL * 2 + ":" + HEXADECIMAL * 2 + "@sentry.example.com/7"),
    ("a key of a service of ours", f"Api-Key {keys.make_key(keys.SERVICE_KIND).text}"),
    ("a key of a service of ours", f"Api-Key {keys.make_key(keys.USER_KIND).text}"),
    ("a private key", "-----BEGIN " + "RSA PRIVATE KEY-----"),
    ("a GitHub token", "ghp_" + LETTERS * 2 + "abcd"),
]


def secrets_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield what looks like a secret, and what kind it is of."""
    for kind, pattern in SECRETS.items():
        yield from ((kind, found[1]) for found in re.finditer(pattern, text))


def kinds_in(text: str) -> set[str]:
    """Return the kinds of the secrets in a text that are not known to open nothing."""
    return {kind for kind, secret in secrets_in(text) if secret not in DOCUMENTED.get(kind, ())}


@cache
def ever_committed() -> dict[str, set[str]]:
    """Return what looks like a secret in every line that was ever added, on what has led to this commit, by kind."""
    found = defaultdict(set)
    log = ("log", "--patch", "--unified=0", "--no-color", "--no-ext-diff", "--text", "--diff-merges=first-parent")
    for line in git(*log, "HEAD").decode(errors="replace").splitlines():
        if line.startswith("+"):
            for kind, secret in secrets_in(line):
                found[kind].add(secret)
    return found


class TestTheSearch:
    @pytest.mark.parametrize(("kind", "text"), EXAMPLES, ids=[kind for kind, _ in EXAMPLES])
    def test_finds_what_it_looks_for(self, kind: str, text: str) -> None:
        assert kind in kinds_in(f"+    {text}")

    def test_is_proven_for_every_kind(self) -> None:
        assert {kind for kind, _ in EXAMPLES} == set(SECRETS)

    @pytest.mark.parametrize(
        ("kind", "value"), [(kind, value) for kind in DOCUMENTED for value in sorted(DOCUMENTED[kind])]
    )
    def test_lets_what_is_documented_through_as_it_is_and_no_other(self, kind: str, value: str) -> None:
        text = next(text for other, text in EXAMPLES if other == kind)
        secret = next(secret for other, secret in secrets_in(text) if other == kind)
        assert kind not in kinds_in(text.replace(secret, value))
        assert kind in kinds_in(text.replace(secret, f"{value}1"))


def test_no_secret_was_ever_committed() -> None:
    unknown = {kind: found - DOCUMENTED.get(kind, set()) for kind, found in ever_committed().items()}
    assert {kind: {secret[:12] for secret in found} for kind, found in unknown.items() if found} == {}


def test_nothing_is_let_through_that_is_not_there() -> None:
    for kind, values in DOCUMENTED.items():
        assert values - ever_committed()[kind] == set(), kind
