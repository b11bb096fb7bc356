"""Strict reading of the environment: what is malformed or misspelt stops the start with a sentence that names it."""

import difflib
import ipaddress
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# Variables that begin like ours must be ours: a typo in `STRIPE_SECERT_KEY` must not quietly start the sandbox.
OUR_PREFIXES = ("STRIPE_", "CLOUDFLARE_R2_", "SMARTSPEC_", "DATABASE_", "DJSTRIPE_", "SENTRY_")


class Environment:
    """Reads typed variables through django-environ and remembers their names, so that `reject_unknown` can find typos.

    Every getter raises ImproperlyConfigured with a sentence that names the variable and what it should look like.
    """

    def __init__(self, env_file: Path) -> None:
        self._env = environ.Env()
        self._known: set[str] = set()
        self._file_names: set[str] = set()
        if env_file.exists():
            before = set(os.environ)
            self._env.read_env(str(env_file))
            self._file_names = set(os.environ) - before

    def text(self, name: str, default: str = "") -> str:
        self._known.add(name)
        return str(self._env.str(name, default=default)).strip() or default

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value not in ("", "true", "false"):
            raise ImproperlyConfigured(f"{name} must be true or false, but is {value!r}.")
        return default if value == "" else value == "true"

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        value = self.text(name)
        if value == "":
            return default
        if not value.isascii() or not value.isdigit() or not minimum <= int(value) <= maximum:
            raise ImproperlyConfigured(f"{name} must be a whole number from {minimum} to {maximum}, but is {value!r}.")
        return int(value)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, but is {value!r}.")
        return value

    def words(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Return a comma-separated list without empty items."""
        value = self.text(name)
        return [word.strip() for word in value.split(",") if word.strip()] or list(default)

    def networks(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """Return a comma-separated list of networks such as 10.0.0.0/8; a single address is one as well."""
        networks = self.words(name, default)
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ImproperlyConfigured(
                    f"{name} must be networks such as 10.0.0.0/8, separated by commas, but has {network!r}."
                ) from None
        return networks

    def secret(self, name: str, prefixes: tuple[str, ...]) -> str:
        """Return a key that must begin with one of `prefixes`; its value never appears in the error."""
        value = self.text(name)
        if value and not value.startswith(prefixes):
            raise ImproperlyConfigured(
                f"{name} must begin with {' or '.join(prefixes)}; check that it is the right key."
            )
        return value

    def url(self, name: str, default: str = "") -> str:
        """Return an http(s) URL without its trailing slash."""
        value = self.text(name, default).rstrip("/")
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc):
            raise ImproperlyConfigured(f"{name} must be a URL such as https://pay.example.com, but is {value!r}.")
        return value

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's database settings of a `postgres://` URL, or None when the variable is empty."""
        value = self.text(name)
        if not value:
            return None
        if not value.startswith(("postgres://", "postgresql://")):
            raise ImproperlyConfigured(f"{name} must begin with postgres:// (no other database is supported).")
        return dict(self._env.db_url_config(value))

    def email(self, name: str) -> dict[str, Any] | None:
        """Return Django's e-mail settings of an `smtp://` style URL, or None when the variable is empty."""
        value = self.text(name)
        if not value:
            return None
        if not value.startswith(("smtp://", "smtp+tls://", "smtp+ssl://", "smtps://", "consolemail://")):
            raise ImproperlyConfigured(f"{name} must be a URL such as smtp+tls://user:password@host:587.")
        config = dict(self._env.email_url_config(value))
        if config.pop("OPTIONS", None):
            raise ImproperlyConfigured(f"{name} takes nothing after ?; smtp+tls:// and smtp+ssl:// say how to connect.")
        return config

    def reject_unknown(self) -> None:
        """Raise ImproperlyConfigured for a variable that looks like ours, or stands in .env, but is never read."""
        looks_like_ours = {name for name in os.environ if name.startswith(OUR_PREFIXES)}
        for name in sorted((looks_like_ours | self._file_names) - self._known):
            near = difflib.get_close_matches(name, self._known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See .env.example for every variable."
            raise ImproperlyConfigured(f"{name} is set, but no such variable exists.{hint}")
