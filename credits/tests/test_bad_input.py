"""Bad input, item by item: the contract's error, never a 500, and a ledger in which no row is another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from rest_framework.test import APIClient

from credits import models, services
from smartspec import clock

HOLDS = "/api/credits/holds"
QUOTE = "/api/credits/quote"
TRANSACTIONS = "/api/credits/transactions"
JOB: dict[str, Any] = {"operation": "image_generation", "reference_id": "job"}

# What is no number of credits: as JSON, and what the field says of it (nothing where the body is no JSON at all).
NO_CREDITS = {
    "zero": ("0", "min_value"),
    "negative": ("-1", "min_value"),
    "not a number": ("NaN", ""),
    "infinite": ("Infinity", ""),
    "infinite below zero": ("-Infinity", ""),
    "over-precise": ("0.0000001", "max_decimal_places"),
    "over-precise above one": ("1.0000001", "max_decimal_places"),
    "smaller than any number": ("1e-99999999999999999999", ""),
    "absurdly large": ("1e30", "max_digits"),
    "larger than any number": ("1e99999999999999999999", ""),
    "of too many digits": ("9" * 5000, ""),
    "text": ('"1"', "invalid"),
    "true": ("true", "invalid"),
    "a list": ("[1]", "invalid"),
}


@pytest.fixture
def holds(alice: Any, bob: Any) -> dict[str, str]:
    """Alice had 20 credits and Bob 5. The ids of Alice's holds of 2 by how they stand, and of Bob's, which is open."""
    past = clock.now() - timedelta(hours=2)
    for user, credits in ((alice, 20), (bob, 5)):
        services.grant(account_id=user.pk, kind="purchase", credits=Decimal(credits), source="purchase:1", now=past)

    def place(user: Any, key: str, **changes: Any) -> str:
        job = {**JOB, "quantity": 2, "ttl_seconds": 80_000, **changes}
        return services.place_hold(account_id=user.pk, idempotency_key=key, now=past, **job).id

    found = {key: place(alice, key) for key in ("open", "captured", "refunded", "released")}
    found |= {"expired": place(alice, "expired", ttl_seconds=1), "bobs": place(bob, "bobs")}
    for name in ("captured", "refunded"):
        services.capture_hold(hold_id=found[name], now=past)
    services.refund_capture(hold_id=found["refunded"], reason="blurred", now=past)
    services.release_hold(hold_id=found["released"], now=past)
    services.expire(now=past + timedelta(minutes=1))
    return found


def ledger() -> dict[str, list[str]]:
    """Return every row of every table of the ledger, as text."""
    with connection.cursor() as cursor:
        found = {}
        for model in models.LEDGER:
            cursor.execute(f"SELECT x::text FROM {model._meta.db_table} x ORDER BY 1")
            found[model.__name__] = [row for (row,) in cursor.fetchall()]
    return found


@contextmanager
def nothing_changed() -> Iterator[None]:
    before = ledger()
    assert before["Entry"]
    yield
    assert ledger() == before


def refused(answer: Any, status: int, code: str, attr: str = "") -> None:
    """See that an answer is this problem; one of a field names the field and has the code there."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.content
    body = answer.json()
    assert body["detail"]
    if attr:
        assert body["code"] == "invalid"
        assert [(error["attr"], error["code"]) for error in body["errors"]] == [(attr, code)]
    else:
        assert body["code"] == code


@pytest.mark.parametrize("what", NO_CREDITS)
class TestNoCredits:
    @pytest.mark.parametrize(("verb", "hold"), [("capture", "open"), ("refund", "captured")])
    def test_are_settled(
        self, holds: dict[str, str], worker_client: APIClient, verb: str, hold: str, what: str
    ) -> None:
        text, code = NO_CREDITS[what]
        body = f'{{"reason": "blurred", "credits": {text}}}'
        with nothing_changed():
            answer = worker_client.post(f"{HOLDS}/{holds[hold]}/{verb}", body, content_type="application/json")
        refused(answer, 400, code or "parse_error", attr="credits" if code else "")

    def test_are_captured_in_a_batch(self, holds: dict[str, str], worker_client: APIClient, what: str) -> None:
        text, code = NO_CREDITS[what]
        body = f'{{"captures": [{{"id": "{holds["open"]}", "credits": {text}}}]}}'
        with nothing_changed():
            answer = worker_client.post(f"{HOLDS}/batch/capture", body, content_type="application/json")
        if not code:
            refused(answer, 400, "parse_error")
            return
        (result,) = answer.json()["results"]
        assert (result["status"], result["hold"]) == (400, None)
        assert [(error["attr"], error["code"]) for error in result["error"]["errors"]] == [("credits", code)]


def hold(**changes: Any) -> tuple[str, dict[str, Any]]:
    return HOLDS, {**JOB, **changes}


def quoted(**job: Any) -> tuple[str, dict[str, Any]]:
    return QUOTE, {"operation": "image_generation", **job}


AUDIO = "audio_generation"
ORDERS: dict[str, tuple[tuple[str, dict[str, Any]], int, str, str]] = {
    # The item: what is asked for, and the problem: status, code, and the field where it is about one.
    "a hold of an unknown operation": (hold(operation="mind_reading"), 400, "unknown_operation", "operation"),
    "a hold without an operation": (hold(operation=None), 400, "required", "operation"),
    "a hold of storage": (hold(operation="storage"), 422, "operation_not_held", ""),
    "a hold of what the plan lacks": (hold(operation="video_generation"), 403, "feature_not_in_plan", ""),
    "a hold of more than there is": (hold(quantity=1000), 402, "insufficient_credits", ""),
    "a hold of an absurd number of images": (hold(quantity=10**30), 400, "max_value", "quantity"),
    "a hold by a model whose name has no end": (hold(model_id="m" * 201), 400, "max_length", "model_id"),
    "a hold by a model that is no text": (hold(model_id={"flux": 1}), 400, "invalid", "model_id"),
    "a hold of an unknown quality": (hold(quality="8k"), 400, "invalid_job", "quality"),
    "a hold of a negative duration": (
        hold(operation=AUDIO, duration_seconds=-1),
        400,
        "invalid_job",
        "duration_seconds",
    ),
    "a hold of no duration": (hold(operation=AUDIO, duration_seconds=0), 400, "invalid_job", "duration_seconds"),
    "a hold of an absurd duration": (hold(duration_seconds=1e300), 400, "max_digits", "duration_seconds"),
    "a hold for nobody": (hold(user_id="00000000-0000-0000-0000-000000000000"), 404, "unknown_account", ""),
    "a hold that ends at once": (hold(ttl_seconds=0), 400, "min_value", "ttl_seconds"),
    "a hold for more than a day": (hold(ttl_seconds=86_401), 400, "max_value", "ttl_seconds"),
    "a quote of an unknown operation": (quoted(operation="mind_reading"), 400, "unknown_operation", "operation"),
    "a quote of an unknown quality": (quoted(quality="8k"), 400, "invalid_job", "quality"),
    "a quote of a negative duration": (
        quoted(operation=AUDIO, duration_seconds=-1),
        400,
        "invalid_job",
        "duration_seconds",
    ),
    "a capture above the hold": ((f"{HOLDS}/open/capture", {"credits": 2.000001}), 422, "capture_above_hold", ""),
    "a refund above the capture": (
        (f"{HOLDS}/captured/refund", {"credits": 3, "reason": "x"}),
        422,
        "refund_above_capture",
        "",
    ),
    "a refund without a reason": ((f"{HOLDS}/captured/refund", {}), 400, "required", "reason"),
    "a refund of what was not captured": ((f"{HOLDS}/open/refund", {"reason": "x"}), 409, "hold_not_captured", ""),
    "another refund": ((f"{HOLDS}/refunded/refund", {"credits": 1, "reason": "x"}), 409, "already_refunded", ""),
    "another capture": ((f"{HOLDS}/captured/capture", {"credits": 1}), 409, "hold_already_settled", ""),
    "a capture after the release": ((f"{HOLDS}/released/capture", {}), 409, "hold_already_settled", ""),
    "a release after the capture": ((f"{HOLDS}/captured/release", {}), 409, "hold_already_settled", ""),
    "an extension after the release": (
        (f"{HOLDS}/released/extend", {"ttl_seconds": 60}),
        409,
        "hold_already_settled",
        "",
    ),
    "a capture after the expiry": ((f"{HOLDS}/expired/capture", {}), 409, "hold_expired", ""),
    "a release after the expiry": ((f"{HOLDS}/expired/release", {}), 409, "hold_expired", ""),
    "an extension after the expiry": ((f"{HOLDS}/expired/extend", {"ttl_seconds": 60}), 409, "hold_expired", ""),
    "an extension past a day": ((f"{HOLDS}/open/extend", {"ttl_seconds": 86_400}), 422, "hold_too_long", ""),
    "a capture of an unknown hold": ((f"{HOLDS}/unknown/capture", {}), 404, "unknown_hold", ""),
}


class TestOrder:
    @pytest.mark.parametrize("what", ORDERS)
    def test_is_refused(
        self, alice: Any, holds: dict[str, str], worker_client: APIClient, alice_client: APIClient, what: str
    ) -> None:
        (path, body), status, code, attr = ORDERS[what]
        if path == HOLDS:
            body = {"user_id": str(alice.pk), **body}
        parts = [holds.get(part, part) for part in path.split("/")]
        client = alice_client if path == QUOTE else worker_client
        with nothing_changed():
            answer = client.post("/".join(parts), body, headers={"Idempotency-Key": "new"})
        refused(answer, status, code, attr)

    @pytest.mark.parametrize("verb", ["capture", "release", "extend", "refund"])
    def test_about_a_hold_is_refused_to_people(self, holds: dict[str, str], alice_client: APIClient, verb: str) -> None:
        with nothing_changed():
            for name in ("open", "bobs"):
                refused(alice_client.post(f"{HOLDS}/{holds[name]}/{verb}", {}), 403, "missing_scope")

    def test_for_one_account_reaches_no_hold_of_another(self, alice: Any, holds: dict[str, str]) -> None:
        foreign = services.CaptureRequest(holds["bobs"])
        with nothing_changed():
            (outcome,) = services.capture_many(account_id=alice.pk, captures=[foreign], now=clock.now())
        assert isinstance(outcome, services.UnknownHold)


class TestKey:
    @pytest.mark.parametrize(
        ("key", "code"),
        [(None, "idempotency_key_required"), ("", "idempotency_key_invalid"), ("k" * 256, "idempotency_key_invalid")],
    )
    @pytest.mark.parametrize("path", [HOLDS, f"{HOLDS}/batch"])
    def test_of_a_hold_has_1_to_255_characters(
        self, alice: Any, holds: dict[str, str], worker_client: APIClient, path: str, key: str | None, code: str
    ) -> None:
        job = {"user_id": str(alice.pk), **JOB}
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"holds": [job]} if "batch" in path else job
        with nothing_changed():
            answer = worker_client.post(path, body, headers=headers)
        refused(answer, 400, code)
        longest = worker_client.post(path, body, headers={"Idempotency-Key": "k" * 255})
        assert (longest.status_code, models.Hold.objects.count()) == (200 if "batch" in path else 201, 7)

    @pytest.mark.parametrize("verb", ["capture", "release", "extend", "refund"])
    def test_of_255_characters_is_the_longest(self, holds: dict[str, str], worker_client: APIClient, verb: str) -> None:
        path = f"{HOLDS}/{holds['captured' if verb == 'refund' else 'open']}/{verb}"
        body = {"ttl_seconds": 60, "reason": "blurred"}
        with nothing_changed():
            answer = worker_client.post(path, body, headers={"Idempotency-Key": "k" * 256})
        refused(answer, 400, "idempotency_key_invalid")
        assert worker_client.post(path, body, headers={"Idempotency-Key": "k" * 255}).status_code == 200


BACKWARDS = {"date_from": "2026-03-02", "date_to": "2026-03-01"}
QUESTIONS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "page 0": (TRANSACTIONS, {"page": "0"}, "min_value", "page"),
    "limit 0": (TRANSACTIONS, {"limit": "0"}, "min_value", "limit"),
    "limit 1000": (TRANSACTIONS, {"limit": "1000"}, "max_value", "limit"),
    "a type that is none": (TRANSACTIONS, {"type": "theft"}, "invalid_choice", "type"),
    "a day that is none": (TRANSACTIONS, {"date_from": "2026-02-30"}, "invalid", "date_from"),
    "transactions backwards": (TRANSACTIONS, BACKWARDS, "ends_before_it_begins", "date_to"),
    "an export backwards": (f"{TRANSACTIONS}/export", BACKWARDS, "ends_before_it_begins", "date_to"),
    "a summary backwards": (f"{TRANSACTIONS}/summary", BACKWARDS, "ends_before_it_begins", "date_to"),
    "usage backwards": ("/api/credits/usage/summary", BACKWARDS, "ends_before_it_begins", "date_to"),
    "usage of no days": ("/api/credits/usage/daily", {"days": "0"}, "min_value", "days"),
    "holds of no known status": (HOLDS, {"status": "lost"}, "invalid_choice", "status"),
    "a balance at no moment": ("/api/credits/balance", {"at": "yesterday"}, "invalid", "at"),
}


class TestQuestion:
    @pytest.mark.parametrize("what", QUESTIONS)
    def test_is_refused(self, holds: dict[str, str], alice_client: APIClient, what: str) -> None:
        path, query, code, attr = QUESTIONS[what]
        with nothing_changed():
            answer = alice_client.get(path, query)
        refused(answer, 400, code, attr)


# The operations that take credits and that no worker's call reaches: fulfilment, staff, refunds, storage.
OPERATIONS: dict[str, Callable[[UUID, Decimal], Any]] = {
    "grant": lambda account_id, credits: services.grant(
        account_id=account_id, kind="bonus", credits=credits, source="gift", now=clock.now()
    ),
    "adjust": lambda account_id, credits: services.adjust(
        account_id=account_id, credits=credits, reason="x", idempotency_key="new", now=clock.now()
    ),
    "charge": lambda account_id, credits: services.charge(
        account_id=account_id, operation="storage", credits=credits, idempotency_key="new", now=clock.now()
    ),
    "claw back": lambda account_id, credits: services.claw_back(
        account_id=account_id,
        kind="purchase",
        source="purchase:1",
        credits=credits,
        idempotency_key="new",
        now=clock.now(),
    ),
    "give back": lambda account_id, credits: services.give_back(
        account_id=account_id,
        kind="purchase",
        source="purchase:1",
        credits=credits,
        new_source="refund_failed:re_1",
        now=clock.now(),
    ),
}


class TestOperation:
    @pytest.mark.parametrize("credits", ["0", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "0.0000001", "1e12"])
    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_takes_nothing_but_credits(self, alice: Any, holds: dict[str, str], operation: str, credits: str) -> None:
        if (operation, credits) == ("adjust", "-1"):  # staff take by a negative number
            credits = "-1000000000000"
        with nothing_changed(), pytest.raises(services.InvalidCredits) as refusal:
            OPERATIONS[operation](alice.pk, Decimal(credits))
        assert (refusal.value.code, refusal.value.status) == ("invalid_credits", 422)

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_takes_no_float(self, alice: Any, holds: dict[str, str], operation: str) -> None:
        with nothing_changed(), pytest.raises(TypeError):
            OPERATIONS[operation](alice.pk, 1.5)  # type: ignore[arg-type]
