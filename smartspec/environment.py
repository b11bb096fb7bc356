"""Strict reading of the environment: what is malformed or misspelt stops the start with a sentence that names it."""

import difflib
import ipaddress
import os
import re
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from psycopg.pq import Conninfo

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:]+\](:\d{1,5})?")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
SCHEMES_OF_BROWSERS = {"http", "https", "ws", "wss", "ftp", "file", "javascript", "vbscript", "data", "blob", "about"}
MAIL_SERVER = re.compile(r"(smtp|smtps|smtp\+tls|smtp\+ssl)://[^/?#]+/?|consolemail://")
# What a database's URL may say behind its ? instead, as libpq reads it; the folder of a socket has no other place.
DATABASE_PARTS = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
LIBPQ = {option.keyword.decode() for option in Conninfo.get_defaults()}
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

    def origins(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Return a comma-separated list of origins such as https://app.example.com or tauri://localhost."""
        origins = self.words(name, default)
        for origin in origins:
            if not ORIGIN.fullmatch(origin) or not _is_url(origin):
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
        if value and not _is_http_url(value):
            raise ImproperlyConfigured(f"{name} must be a URL such as https://pay.example.com, but is {value!r}.")
        return value

    def site(self, name: str, default: str) -> str:
        """Return the origin of a site: an http(s) URL of scheme, host and port alone."""
        value = self.url(name, default)
        if not ORIGIN.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be a URL such as https://pay.example.com, without path or user.")
        return value

    def sender(self, name: str, default: str) -> str:
        """Return an e-mail address, with or without a name before it."""
        value = self.text(name, default)
        try:
            ((_, address),) = getaddresses([value])
            validate_email(address)
        except (ValueError, ValidationError):
            raise ImproperlyConfigured(
                f"{name} must be an e-mail address, such as SmartSpec Pro <pay@example.com>, but is {value!r}."
            ) from None
        return value

    def folder(self, name: str, base: Path, default: str) -> Path:
        """Return the path of a folder, under `base` if it does not begin at the root; it need not exist yet."""
        path = (base / self.text(name, default)).resolve()
        for part in (path, *path.parents):
            if part.exists() and not part.is_dir():
                raise ImproperlyConfigured(f"{name} must be a folder, but {part} is none.")
        return path

    def database(self, name: str) -> dict[str, Any] | None:
        """Return Django's database settings of a `postgres://` URL, or None when the variable is empty."""
        value = self.text(name)
        if not value:
            return None
        if not value.startswith(("postgres://", "postgresql://")):
            raise ImproperlyConfigured(f"{name} must begin with postgres:// (no other database is supported).")
        address, _, query = value.partition("?")
        place, _, path = address.partition("://")[2].partition("/")
        try:
            if "@" in path or ("@" in query and "@" not in place):
                raise ValueError  # the password was taken for something else
            config: dict[str, Any] = self._env.db_url_config(address)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be a URL such as postgres://user:password@host:5432/name; in user and password / ? @ are"
                " written %2F %3F %40."
            ) from None
        options = dict(parse_qsl(query))
        config |= {part: options.pop(said) for said, part in DATABASE_PARTS.items() if said in options}
        if options.keys() - LIBPQ:
            raise ImproperlyConfigured(f"{name} takes behind its ? what libpq knows, such as host and sslmode, alone.")
        if not config["NAME"] and "service" not in options:
            raise ImproperlyConfigured(f"{name} must name a database, such as postgres://user:password@host:5432/name.")
        return config | {"OPTIONS": options}

    def email(self, name: str) -> dict[str, Any] | None:
        """Return Django's e-mail settings of an `smtp://` style URL, or None when the variable is empty."""
        value = self.text(name)
        if not value:
            return None
        try:
            config: dict[str, Any] = self._env.email_url_config(value) if MAIL_SERVER.fullmatch(value) else {}
        except ValueError:
            config = {}
        if not config or not (config["EMAIL_HOST"] or value.startswith("consolemail:")):
            raise ImproperlyConfigured(
                f"{name} must be a URL such as smtp+tls://user:password@host:587 and nothing behind it; in user and"
                " password / ? # @ are written %2F %3F %23 %40."
            )
        return config

    def reject_unknown(self) -> None:
        """Raise ImproperlyConfigured for a variable that looks like ours, or stands in .env, but is never read."""
        looks_like_ours = {name for name in os.environ if name.startswith(OUR_PREFIXES)}
        for name in sorted((looks_like_ours | self._file_names) - self._known):
            near = difflib.get_close_matches(name, self._known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See .env.example for every variable."
            raise ImproperlyConfigured(f"{name} is set, but no such variable exists.{hint}")


def _is_url(text: str) -> bool:
    """Tell whether it can be taken apart, and its port is one."""
    try:
        return urlsplit(text).port != 0
    except ValueError:
        return False


def _is_http_url(text: str) -> bool:
    return _is_url(text) and urlsplit(text).scheme in ("http", "https") and bool(urlsplit(text).hostname)
