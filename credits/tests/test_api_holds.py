"""A worker's job over the API: hold, capture, release, extend, refund, and batches of them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from credits import services
from credits.models import Entry, Hold
from smartspec import clock
from smartspec.testing import SetClock
from smartspec.users import services as users_services

HOLDS = "/api/credits/holds"
BATCH = "/api/credits/holds/batch"
Place = Callable[..., Any]


def give(user: Any, credits: int, source: str = "purchase:1") -> None:
    services.grant(
        account_id=user.id,
        kind="purchase",
        credits=Decimal(credits),
        source=source,
        now=clock.now(),
        description="Bought",
    )


def available(client: APIClient) -> float:
    return float(client.get("/api/credits/balance").json()["available_credits"])


@pytest.fixture
def order(alice: Any) -> dict[str, Any]:
    """A job of 1 credit for Alice, who has 100."""
    give(alice, 100)
    return {"user_id": str(alice.id), "operation": "image_generation", "reference_id": "job-1"}


@pytest.fixture
def place(worker_client: APIClient, order: dict[str, Any]) -> Place:
    """Return a function that places a hold: the job, changed by name."""

    def post(key: str = "key-1", **changes: Any) -> Any:
        headers = {"Idempotency-Key": key}
        return worker_client.post(HOLDS, {**order, **changes}, headers=headers)

    return post


def settle(client: APIClient, hold_id: str, verb: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"{HOLDS}/{hold_id}/{verb}", body, headers=headers)


class TestHolding:
    def test_reserves_what_the_job_costs(self, place: Place, alice_client: APIClient) -> None:
        answer = place(quality="4k", quantity=3, model_id="flux")
        assert answer.status_code == 201
        body = answer.json()
        assert {name: body[name] for name in ("credits", "status", "priority", "available_credits")} == {
            "credits": 6,
            "status": "open",
            "priority": "normal",
            "available_credits": 94,
        }
        assert body["expires_at"].endswith("Z")
        assert "Idempotent-Replayed" not in answer.headers
        assert available(alice_client) == 94

    def test_answers_a_repeated_key_again(self, place: Place, alice_client: APIClient) -> None:
        first, again = place(), place()
        assert again.status_code == 201
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert available(alice_client) == 99

    def test_refuses_a_repeated_key_with_another_body(self, place: Place, alice_client: APIClient) -> None:
        place()
        answer = place(quantity=2)
        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_conflict"
        assert available(alice_client) == 99

    def test_says_what_is_missing(self, place: Place, alice_client: APIClient) -> None:
        answer = place(quantity=101)
        assert answer.status_code == 402
        assert answer.headers["Content-Type"] == "application/problem+json"
        body = answer.json()
        assert (body["code"], body["required"], body["available"]) == ("insufficient_credits", 101, 100)
        assert place(quantity=100).status_code == 201  # the refused key is free

    def test_refuses_what_the_plan_lacks(self, place: Place) -> None:
        answer = place(operation="video_generation")
        assert answer.status_code == 403
        assert answer.json()["code"] == "feature_not_in_plan"

    def test_goes_first_on_a_plan_that_pays_for_it(self, alice: Any, place: Place) -> None:
        now = clock.now()
        services.set_plan(account_id=alice.id, plan="pro", anchor_at=now, paid_until=None, source="sub_1", now=now)
        assert place(operation="video_generation", duration_seconds=8).json()["priority"] == "high"

    def test_refuses_a_frozen_account(self, alice: Any, place: Place) -> None:
        services.freeze(account_id=alice.id, cause="staff", now=clock.now())
        answer = place()
        assert answer.status_code == 403
        assert answer.json()["code"] == "account_frozen"

    def test_knows_nobody_who_asked_to_be_forgotten(
        self, alice: Any, place: Place, run_jobs: Callable[[], int]
    ) -> None:
        """From the moment of asking: what takes their data away may have to wait for Stripe."""
        users_services.request_erasure(user=alice, now=clock.now())
        before = place()
        run_jobs()
        for answer in (before, place()):
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_account")

    def test_takes_null_for_what_may_be_left_out(self, place: Place) -> None:
        optional = ("model_id", "quality", "duration_seconds", "quantity", "ttl_seconds")
        body = place(**dict.fromkeys(optional)).json()
        assert body["credits"] == 1
        assert place().json() == body

    def test_knows_no_stranger(self, place: Place) -> None:
        assert place(user_id=str(uuid4())).status_code == 404

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("user_id", "nobody"),
            ("user_id", None),
            ("operation", ["image_generation"]),
            ("operation", "image\x00generation"),
            ("quality", 4),
            ("reference_id", ""),
            ("reference_id", "r" * 256),
            ("duration_seconds", "5"),
            ("quantity", 0),
            ("quantity", -3),
            ("quantity", 1.5),
            ("quantity", "1"),
            ("quantity", True),
            ("ttl_seconds", 1.5),
        ],
    )
    def test_names_a_bad_field(self, place: Place, field: str, value: Any) -> None:
        answer = place(**{field: value})
        assert answer.status_code == 400
        assert [error["attr"] for error in answer.json()["errors"]] == [field]
        assert not Hold.objects.exists()

    @pytest.mark.parametrize("body", ["[]", "null", "7", '{"quantity": NaN}', "{", '{"quantity": Infinity}', "\xff"])
    def test_refuses_what_is_no_object(self, worker_client: APIClient, body: str) -> None:
        headers = {"Idempotency-Key": "1"}
        raw = body.encode("latin-1")
        answer = worker_client.post(HOLDS, raw, content_type="application/json", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_takes_json_alone(self, worker_client: APIClient) -> None:
        headers = {"Idempotency-Key": "1"}
        assert worker_client.post(HOLDS, b"a=1", content_type="text/plain", headers=headers).status_code == 415


class TestListing:
    def test_shows_open_holds_newest_first(
        self, place: Place, worker_client: APIClient, alice_client: APIClient
    ) -> None:
        first, second, third = (place(str(n), reference_id=f"job-{n}").json() for n in range(3))
        settle(worker_client, second["id"], "release")
        holds = alice_client.get(HOLDS, {"status": "open"}).json()["holds"]
        assert [hold["id"] for hold in holds] == [third["id"], first["id"]]
        assert set(holds[0]) == {
            "id", "operation", "model_id", "credits", "status", "reference_id", "created_at", "expires_at",
        }  # fmt: skip
        released = alice_client.get(HOLDS, {"status": "released"}).json()["holds"]
        assert [(hold["id"], hold["status"]) for hold in released] == [(second["id"], "released")]
        assert len(alice_client.get(HOLDS, {"status": "all"}).json()["holds"]) == 3

    def test_shows_nobody_elses(self, place: Place, bob_client: APIClient) -> None:
        place()
        assert bob_client.get(HOLDS).json() == {"holds": []}

    def test_knows_its_statuses(self, alice_client: APIClient) -> None:
        assert alice_client.get(HOLDS, {"status": "lost"}).status_code == 400


class TestCapturing:
    def test_spends_all_that_was_held(self, place: Place, worker_client: APIClient, alice_client: APIClient) -> None:
        hold = place(quantity=2, model_id="flux").json()
        body = settle(worker_client, hold["id"], "capture").json()
        assert (body["id"], body["status"]) == (hold["id"], "captured")
        entry = body["transaction"]
        assert (entry["transaction_type"], entry["amount"], entry["model_id"]) == ("usage", -2, "flux")
        assert (entry["balance_before"], entry["balance_after"]) == (100, 98)
        assert available(alice_client) == 98

    def test_gives_back_the_rest(self, place: Place, worker_client: APIClient, alice_client: APIClient) -> None:
        hold = place(quantity=2).json()
        body = settle(worker_client, hold["id"], "capture", {"credits": 0.25}).json()
        assert body["transaction"]["amount"] == -0.25
        assert available(alice_client) == 99.75

    def test_answers_the_same_outcome_again(self, place: Place, worker_client: APIClient) -> None:
        hold = place().json()
        first = settle(worker_client, hold["id"], "capture")
        again = settle(worker_client, hold["id"], "capture")
        assert again.status_code == 200
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Entry.objects.filter(entry_type="usage").count() == 1

    def test_refuses_another_outcome(self, place: Place, worker_client: APIClient) -> None:
        hold = place(quantity=2).json()
        settle(worker_client, hold["id"], "capture")
        for verb, body in (("capture", {"credits": 1}), ("release", {}), ("extend", {"ttl_seconds": 60})):
            answer = settle(worker_client, hold["id"], verb, body)
            assert answer.status_code == 409
            assert answer.json()["code"] == "hold_already_settled"

    def test_refuses_a_used_key_with_another_body(self, place: Place, worker_client: APIClient) -> None:
        first, second = place("1").json(), place("2", reference_id="job-2").json()
        key = {"Idempotency-Key": "capture-1"}
        assert settle(worker_client, first["id"], "capture", **key).status_code == 200
        answer = settle(worker_client, second["id"], "capture", **key)
        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_conflict"

    def test_comes_too_late_after_expiry(self, place: Place, worker_client: APIClient, set_clock: SetClock) -> None:
        hold = place(ttl_seconds=1).json()
        later = clock.now().replace(year=clock.now().year + 1)
        set_clock(later)
        for verb in ("capture", "release"):
            answer = settle(worker_client, hold["id"], verb)
            assert answer.status_code == 409
            assert answer.json()["code"] == "hold_expired"


@pytest.mark.parametrize(
    ("verb", "body"), [("capture", {}), ("release", {}), ("extend", {"ttl_seconds": 60}), ("refund", {"reason": "bad"})]
)
class TestUnknownHolds:
    def test_are_not_found(self, place: Place, worker_client: APIClient, verb: str, body: dict[str, Any]) -> None:
        known = place().json()["id"]
        for unknown in (
            f"{known}0",
            known[:-1],
            "hold_",
            "1",
            known.replace("hold_", "txn_"),
            "hold_" + "z" * 40,
            "%00",
        ):
            answer = settle(worker_client, unknown, verb, body)
            assert answer.status_code == 404, unknown
            assert answer.headers["Content-Type"] == "application/problem+json"


class TestReleasing:
    def test_costs_nothing(self, place: Place, worker_client: APIClient, alice_client: APIClient) -> None:
        hold = place().json()
        answer = settle(worker_client, hold["id"], "release", {"reason": "the model crashed"})
        assert answer.json() == {"id": hold["id"], "status": "released"}
        assert settle(worker_client, hold["id"], "release").json() == answer.json()
        assert available(alice_client) == 100

    def test_cannot_be_captured_afterwards(self, place: Place, worker_client: APIClient) -> None:
        hold = place().json()
        settle(worker_client, hold["id"], "release")
        assert settle(worker_client, hold["id"], "capture").json()["code"] == "hold_already_settled"

    @pytest.mark.parametrize("reason", [{"reason": "the model crashed"}, {}], ids=["with a reason", "without one"])
    def test_under_a_key_is_of_one_reason(self, place: Place, worker_client: APIClient, reason: dict[str, str]) -> None:
        hold, other = place().json(), {"reason": "out of memory"}

        def release(body: dict[str, str], key: str) -> tuple[int, str | None]:
            answer = settle(worker_client, hold["id"], "release", body, **{"Idempotency-Key": key})
            return answer.status_code, answer.json().get("code") or answer.headers.get("Idempotent-Replayed")

        assert release(reason, "key") == (200, None)
        assert release(reason, "key") == (200, "true")
        assert release(other, "key") == (409, "idempotency_conflict")
        assert release(other, "another key") == (200, "true")  # the same outcome again


class TestExtending:
    def test_lets_a_hold_live_longer(self, place: Place, worker_client: APIClient) -> None:
        hold = place().json()
        body = settle(worker_client, hold["id"], "extend", {"ttl_seconds": 3600}).json()
        assert body["id"] == hold["id"]
        assert body["expires_at"] > hold["expires_at"]

    def test_ends_at_a_day(self, place: Place, worker_client: APIClient) -> None:
        hold = place().json()
        answer = settle(worker_client, hold["id"], "extend", {"ttl_seconds": 86_400})
        assert answer.status_code == 422
        assert settle(worker_client, hold["id"], "extend", {"ttl_seconds": 86_401}).status_code == 400
        assert settle(worker_client, hold["id"], "extend", {}).status_code == 400


class TestRefunding:
    def test_gives_back_what_was_captured(
        self, place: Place, worker_client: APIClient, alice_client: APIClient
    ) -> None:
        hold = place(quantity=4).json()
        settle(worker_client, hold["id"], "capture")
        answer = settle(worker_client, hold["id"], "refund", {"credits": 3, "reason": "blurred"})
        assert answer.status_code == 200
        entry = answer.json()["transaction"]
        assert (entry["transaction_type"], entry["amount"], entry["description"]) == ("refund", 3, "blurred")
        assert available(alice_client) == 99

    def test_happens_once(self, place: Place, worker_client: APIClient, alice_client: APIClient) -> None:
        hold = place(quantity=4).json()
        settle(worker_client, hold["id"], "capture")
        settle(worker_client, hold["id"], "refund", {"reason": "blurred"})
        again = settle(worker_client, hold["id"], "refund", {"reason": "blurred"})
        assert again.headers["Idempotent-Replayed"] == "true"
        assert settle(worker_client, hold["id"], "refund", {"credits": 1, "reason": "blurred"}).status_code == 409
        assert available(alice_client) == 100

    def test_needs_a_capture_and_a_reason(self, place: Place, worker_client: APIClient) -> None:
        hold = place().json()
        assert settle(worker_client, hold["id"], "refund", {"reason": "blurred"}).status_code == 409
        assert settle(worker_client, hold["id"], "refund", {}).status_code == 400


class TestBatches:
    def test_have_one_outcome_each_in_order(
        self, order: dict[str, Any], bob: Any, worker_client: APIClient, alice_client: APIClient
    ) -> None:
        give(bob, 5)
        orders = [
            order,
            {**order, "user_id": str(bob.id), "quantity": 5},
            {**order, "quantity": 100},
            {**order, "operation": "mind_reading"},
            {**order, "quantity": 1.5},
            {**order, "user_id": str(uuid4())},
            "nonsense",
            {**order, "user_id": str(bob.id)},
            {**order, "reference_id": "job-2"},
        ]
        answer = worker_client.post(BATCH, {"holds": orders}, headers={"Idempotency-Key": "1"})
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [result["status"] for result in results] == [201, 201, 402, 400, 400, 404, 400, 402, 201]
        assert results[0]["hold"]["available_credits"] == 99
        assert results[0]["error"] is None
        assert results[2]["hold"] is None
        assert results[2]["error"]["required"] == 100
        assert results[3]["error"]["errors"][0]["attr"] == "operation"
        assert results[4]["error"]["errors"][0]["attr"] == "quantity"
        assert available(alice_client) == 98

    def test_answer_a_repeated_key_again(
        self, order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        body = {"holds": [order, {**order, "quantity": 2}]}
        headers = {"Idempotency-Key": "1"}
        first = worker_client.post(BATCH, body, headers=headers)
        again = worker_client.post(BATCH, body, headers=headers)
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert available(alice_client) == 97
        changed = worker_client.post(BATCH, {"holds": [order, {**order, "quantity": 3}]}, headers=headers)
        assert [result["status"] for result in changed.json()["results"]] == [201, 409]

    @pytest.mark.parametrize("spell", [str.upper, str.lower])
    def test_know_a_job_by_any_spelling_of_it(
        self, spell: Any, order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        spelled = {**order, "user_id": spell(order["user_id"]), "reference_id": f"{order['reference_id']} "}
        headers = {"Idempotency-Key": "1"}
        first = worker_client.post(BATCH, {"holds": [order]}, headers=headers)
        again = worker_client.post(BATCH, {"holds": [spelled]}, headers=headers)
        assert again.json() == first.json()
        assert available(alice_client) == 99

    def test_hold_no_job_twice_when_a_refused_one_is_left_out(
        self, order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        dear, cheap = {**order, "quantity": 101}, {**order, "reference_id": "job-2"}
        headers = {"Idempotency-Key": "1"}
        refused, held = worker_client.post(BATCH, {"holds": [dear, cheap]}, headers=headers).json()["results"]
        assert (refused["status"], held["status"]) == (402, 201)
        again = worker_client.post(BATCH, {"holds": [cheap]}, headers=headers)
        assert again.json()["results"] == [held]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert available(alice_client) == 99

    def test_know_a_job_wherever_it_stands(
        self, order: dict[str, Any], bob: Any, worker_client: APIClient, alice_client: APIClient
    ) -> None:
        give(bob, 5)
        bobs, first, second = {**order, "user_id": str(bob.id)}, {**order, "quantity": 2}, {**order, "quantity": 3}
        headers = {"Idempotency-Key": "1"}
        results = worker_client.post(BATCH, {"holds": [bobs, first, second]}, headers=headers).json()["results"]
        again = worker_client.post(BATCH, {"holds": [first, second, bobs]}, headers=headers)
        assert again.json()["results"] == [*results[1:], results[0]]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert available(alice_client) == 95

    def test_count_the_malformed_order_of_a_job(
        self, order: dict[str, Any], worker_client: APIClient, alice_client: APIClient
    ) -> None:
        """Mended and sent again, it takes the place that it had among the orders of its job."""
        malformed, second, headers = {**order, "quantity": 1.5}, {**order, "quantity": 2}, {"Idempotency-Key": "1"}
        refused, held = worker_client.post(BATCH, {"holds": [malformed, second]}, headers=headers).json()["results"]
        assert (refused["status"], held["status"]) == (400, 201)
        again = worker_client.post(BATCH, {"holds": [order, second]}, headers=headers)
        assert [result["status"] for result in again.json()["results"]] == [201, 201]
        assert again.json()["results"][1] == held
        assert available(alice_client) == 97

    def test_capture_each_on_its_own(
        self, place: Place, worker_client: APIClient, bob: Any, alice_client: APIClient
    ) -> None:
        give(bob, 5)
        own, dear, bobs = place("1").json(), place("2", quantity=4).json(), place("3", user_id=str(bob.id)).json()
        captures = [
            {"id": own["id"]},
            {"id": bobs["id"], "credits": 0.5},
            {"id": "hold_unknown"},
            {"id": dear["id"], "credits": 5},
            {"id": dear["id"], "credits": 3},
            {"id": dear["id"], "credits": -1},
            {"id": own["id"]},
            7,
        ]
        answer = worker_client.post(f"{BATCH}/capture", {"captures": captures})
        results = answer.json()["results"]
        assert [result["status"] for result in results] == [200, 200, 404, 422, 200, 400, 200, 400]
        assert results[0] == results[6]
        assert results[4]["hold"]["transaction"]["amount"] == -3
        assert available(alice_client) == 96
        again = worker_client.post(f"{BATCH}/capture", {"captures": captures[:2]})
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_capture_under_a_key_that_is_one(self, worker_client: APIClient) -> None:
        body = {"captures": [{"id": "hold_unknown"}]}
        answer = worker_client.post(f"{BATCH}/capture", body, headers={"Idempotency-Key": "k" * 256})
        assert answer.status_code == 400

    @pytest.mark.parametrize("body", [{}, {"holds": []}, {"holds": "x"}, {"holds": [{}] * 101}, []])
    def test_take_1_to_100(self, worker_client: APIClient, body: Any) -> None:
        assert worker_client.post(BATCH, body, headers={"Idempotency-Key": "1"}).status_code == 400
