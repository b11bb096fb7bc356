"""One request: who asks, what for, whether it was answered before, and the answer."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction

from billing.sandbox import ids, store
from billing.sandbox.api import expanding, parameters
from billing.sandbox.api.routes import Call, Route, find_route
from billing.sandbox.errors import CardDeclined, NotPlayed, StripeError
from billing.sandbox.models import IdempotentRequest
from billing.sandbox.objects.event import API_VERSION
from billing.sandbox.services import clocks, events

REMEMBERED_FOR = timedelta(hours=24)

# Parameters that name something that may live by a test clock.
NAMING = {"customer", "subscription", "from_subscription", "invoice", "payment_intent", "charge"}


@dataclass
class Answer:
    """What goes back: HTTP status, headers, and JSON text."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)


def answer(*, method: str, url: str, headers: Mapping[str, str], body: str, now: datetime) -> Answer:
    """This will answer one request to `/v1/…`; `url` is what follows the sandbox's base, with its query."""
    lowered = {name.lower(): value for name, value in headers.items()}
    request_id = f"req_{ids.new_token(14)}"
    idempotency_key = lowered.get("idempotency-key")
    token = events.origin.set(events.RequestOrigin(request_id, idempotency_key if method == "POST" else None))
    try:
        answered = _answer(method, url, lowered, body, request_id=request_id, now=now)
    except StripeError as error:
        answered = Answer(error.status, _to_text(error.as_body(request_id=request_id)))
        if error.status == 401:
            answered.headers["WWW-Authenticate"] = 'Bearer realm="Stripe"'
    finally:
        events.origin.reset(token)
    answered.headers = {
        "Content-Type": "application/json",
        "Request-Id": request_id,
        "Stripe-Version": lowered.get("stripe-version", API_VERSION),
        **({"Idempotency-Key": idempotency_key} if idempotency_key else {}),
        **answered.headers,
    }
    return answered


def _answer(method: str, url: str, headers: Mapping[str, str], body: str, *, request_id: str, now: datetime) -> Answer:
    _authenticate(headers)
    parts = urlsplit(url)
    route, path_ids = find_route(method, parts.path)
    given = parameters.parse(parts.query) | parameters.parse(body)
    key = headers.get("idempotency-key") if method == "POST" else None
    if key is None:
        return _perform(route, *_begin(route, path_ids, given, now=now))
    return _perform_once(key, method, parts.path, route, path_ids, given, request_id=request_id, now=now)


def _begin(route: Route, path_ids: list[str], given: dict[str, Any], *, now: datetime) -> tuple[Call, list[str]]:
    """Check a request, and return what its handler is called with and the paths to expand in its answer."""
    given = dict(given)
    paths = given.pop("expand", [])
    if isinstance(paths, str) or not all(isinstance(path, str) for path in paths):
        raise StripeError(400, "Invalid array", param="expand")
    checked = parameters.check(given, route.parameters)
    moment = _time_of(route, path_ids, checked, now=now)
    return Call(ids=path_ids, params=checked, now=moment), paths


def _perform(route: Route, call: Call, paths: list[str]) -> Answer:
    """Run the handler in a transaction. What a declined card left behind is kept; any other error undoes everything."""
    refusal: CardDeclined | None = None
    result: dict[str, Any] = {}
    with transaction.atomic():
        try:
            result = route.handler(call)
        except CardDeclined as error:
            refusal = error
        else:
            result = expanding.expand(result, paths)
    if refusal is not None:
        raise refusal
    return Answer(200, _to_text(result))


def _time_of(route: Route, path_ids: list[str], params: dict[str, Any], *, now: datetime) -> datetime:
    """Return the time by which this request happens: the test clock's of what it names, else the real one.

    :raises StripeError: 429 for a change while that clock is advancing.
    """
    if "/test_clocks" in route.path:
        return now
    named = [*path_ids, *(value for name, value in params.items() if name in NAMING and isinstance(value, str))]
    moment, test_clock = clocks.present(named, now=now)
    if test_clock is None and isinstance(params.get("test_clock"), str) and route.method == "POST":
        test_clock = store.get(clocks.KIND, params["test_clock"], param="test_clock", status=400)
        moment = store.moment(test_clock["frozen_time"])
    if test_clock is not None and route.method != "GET":
        clocks.refuse_while_advancing(test_clock)
    return moment


def _perform_once(
    key: str,
    method: str,
    path: str,
    route: Route,
    path_ids: list[str],
    given: dict[str, Any],
    *,
    request_id: str,
    now: datetime,
) -> Answer:
    """Answer as before to the same key; one at a time, so that two at once have one effect."""
    if len(key) > 255:
        raise StripeError(400, "Idempotency key must be at most 255 characters.", kind="idempotency_error")
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
    with transaction.atomic():
        _lock_key(key)
        IdempotentRequest.objects.filter(key=key, created_at__lte=now - REMEMBERED_FOR).delete()
        earlier = IdempotentRequest.objects.filter(key=key).first()
        if earlier is not None:
            if (earlier.method, earlier.path, earlier.parameters_sha256) != (method, path, digest):
                raise StripeError(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{key}' if you meant to execute a different request.",
                    kind="idempotency_error",
                )
            return Answer(
                earlier.status,
                earlier.body,
                {"Idempotent-Replayed": "true", "Original-Request": earlier.request_id},
            )
        # What fails before the handler runs was not begun, and may be asked again with the same key:
        # https://docs.stripe.com/api/idempotent_requests
        call, paths = _begin(route, path_ids, given, now=now)
        try:
            answered = _perform(route, call, paths)
        except StripeError as error:
            if isinstance(error, NotPlayed) or error.code == "parameter_missing" or error.status == 404:
                raise  # nor was this, which our handlers see to
            answered = Answer(error.status, _to_text(error.as_body(request_id=request_id)))
        IdempotentRequest.objects.create(
            key=key,
            method=method,
            path=path,
            parameters_sha256=digest,
            status=answered.status,
            body=answered.body,
            request_id=request_id,
            created_at=now,
        )
    answered.headers["Original-Request"] = request_id
    return answered


def _lock_key(key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sandbox:{key}"])


def _authenticate(headers: Mapping[str, str]) -> None:
    """Take any test key: `Bearer sk_test_…`, or basic with the key as user name."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if not value:
        raise StripeError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    key = value.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key.startswith(("sk_test_", "rk_test_")):
        shown = f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 12 else "****"
        raise StripeError(401, f"Invalid API Key provided: {shown}")


def _to_text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)
