"""Strict reading of the environment: what is malformed or misspelt stops the start with a sentence that names it."""

import difflib
import ipaddress
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

# Variables that begin like ours must be ours: a typo in `STRIPE_SECERT_KEY` must not quietly start the sandbox.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
SCHEMES_OF_BROWSERS = {"http", "https", "ws", "wss", "ftp", "file", "javascript", "vbscript", "data", "blob", "about"}
# What a database's URL may say behind its ? instead, as libpq reads it; the folder of a socket has no other place.
DATABASE_PARTS = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
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

    def origins(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Return a comma-separated list of origins such as https://app.example.com or tauri://localhost."""
        origins = self.words(name, default)
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ImproperlyConfigured(
                    f"{name} must be origins such as https://app.example.com, separated by commas, but has {origin!r}."
                )
        return origins

    def schemes(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Return a comma-separated list of an app's own URL schemes, such as smartspec; none that a browser opens."""
        schemes = self.words(name, default)
        for scheme in schemes:
            if not SCHEME.fullmatch(scheme) or scheme.lower() in SCHEMES_OF_BROWSERS:
                raise ImproperlyConfigured(
                    f"{name} must be schemes of the app's own, such as smartspec, and not have {scheme!r}."
                )
        return schemes

    def addresses(self, name: str) -> list[str]:
        """Return a comma-separated list of e-mail addresses."""
        addresses = self.words(name)
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ImproperlyConfigured(
                    f"{name} must be e-mail addresses, separated by commas, but has {address!r}."
                ) from None
        return addresses

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

    def site(self, name: str, default: str) -> str:
        """Return the origin of a site: an http(s) URL of scheme, host and port alone."""
        value = self.url(name, default)
        if not ORIGIN.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be a URL such as https://pay.example.com, without path or user.")
        return value

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's database settings of a `postgres://` URL, or None when the variable is empty."""
        value = self.text(name)
        if not value:
            return None
        if not value.startswith(("postgres://", "postgresql://")):
            raise ImproperlyConfigured(f"{name} must begin with postgres:// (no other database is supported).")
        address, _, query = value.partition("?")
        options = dict(parse_qsl(query))
        config: dict[str, Any] = self._env.db_url_config(address)
        config |= {part: options.pop(said) for said, part in DATABASE_PARTS.items() if said in options}
        return config | {"OPTIONS": options}

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
