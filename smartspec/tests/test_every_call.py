"""Every call of the OpenAPI document, with made-up input good and bad: the server never fails, and answers as written.

The document is generated from the code, so that a new endpoint is called here without anybody's thinking of it.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.db import transaction
from django.test.client import ClientHandler
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rest_framework.test import APIClient
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from smartspec import clock
from smartspec.tests import openapi
from smartspec.tests.conftest import Ids
from smartspec.users import services as users_services

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What a refusal may be (the ways of the whole API); 410 is allauth's word for a session that has ended.
REFUSALS = {400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 429, 502, 503}


def put_ids(case: Any, ids: Ids, number: int) -> None:
    """Put ids of things that are there where a call asks for one."""
    for asked in (case.path_parameters, case.body):
        if isinstance(asked, dict):
            asked.update({name: found[number % len(found)] for name, found in ids.items() if name in asked})


def server(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The product as a WSGI server calls it, on the test's own connection."""
    answer = ClientHandler(enforce_csrf_checks=True)(environ | {"REMOTE_ADDR": "127.0.0.1"})
    start_response(f"{answer.status_code} {answer.reason_phrase}", list(answer.items()))
    return answer


def find_troubles(document: dict[str, Any], *, ids: Ids, headers: dict[str, str], examples: int) -> list[str]:
    """Call every operation so many times and return, for each that answered badly, its shortest bad call."""
    calls: Any = schemathesis.openapi.from_dict(document)
    calls.app = server
    troubles = []
    for found in calls.get_all_operations():
        operation = found.ok()
        responses = document["paths"][operation.path][operation.method]["responses"]
        allowed = REFUSALS | {int(status) for status in responses if status.isdigit()}
        try:
            call_often(operation, allowed=allowed, ids=ids, headers=headers, examples=examples)
        except (AssertionError, FailureGroup) as trouble:
            troubles.append(f"{operation.method.upper()} {operation.path}: {read(trouble)}")
    assert len(document["paths"]) > 60
    return troubles


def assert_answers_as_written(*, headers: dict[str, str], ids: Ids, examples: int) -> None:
    troubles = find_troubles(openapi.read_document(), ids=ids, headers=headers, examples=examples)
    assert not troubles, "\n\n".join(troubles)


def read(trouble: BaseException) -> str:
    """Return what a trouble is made of, without its group's frame."""
    parts = trouble.exceptions if isinstance(trouble, FailureGroup) else [trouble]
    return "\n".join(str(part) for part in parts)


def call_often(operation: Any, *, allowed: set[int], ids: Ids, headers: dict[str, str], examples: int) -> None:
    """Call one operation with made-up input, as the document wants it and otherwise; nothing of it stays.

    :raises AssertionError, FailureGroup: an answer is not one of the document.
    """

    @seed(1)
    @hypothesis_settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def call(data: Any) -> None:
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        number = data.draw(st.sampled_from([1, 2, 3, None]))
        if number is not None:
            put_ids(case, ids, number)
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        assert answer.status_code in allowed, f"{answer.status_code} to\n{case.as_curl_command()}"
        case.validate_response(answer, checks=CHECKS)

    call()


# Who calls, and how often each operation is called while somebody waits for the tests, and when there is time.
@pytest.fixture(params=[3, pytest.param(100, marks=pytest.mark.long)], ids=["shortly", "at length"])
def examples(request: pytest.FixtureRequest) -> int:
    return int(request.param)


class TestEveryCall:
    def test_of_nobody(self, ids: Ids, examples: int) -> None:
        assert_answers_as_written(ids=ids, headers={}, examples=examples)

    def test_of_a_person(self, ids: Ids, alice_client: APIClient, examples: int) -> None:
        headers = {"Authorization": alice_client.defaults["HTTP_AUTHORIZATION"]}
        assert_answers_as_written(ids=ids, headers=headers, examples=2 * examples)

    def test_of_a_service(self, ids: Ids, examples: int) -> None:
        scopes = ["credits:spend", "media:write", "read"]
        issued = users_services.create_service_key(name="worker", scopes=scopes, now=clock.now())
        headers = {"Authorization": f"Api-Key {issued.secret}"}
        assert_answers_as_written(ids=ids, headers=headers, examples=examples)

    def test_of_a_persons_own_key(self, ids: Ids, alice: Any, examples: int) -> None:
        scopes = ["media:write", "read"]
        issued = users_services.create_user_key(
            user=alice, name="program", scopes=scopes, expires_at=None, now=clock.now()
        )
        headers = {"Authorization": f"Api-Key {issued.secret}"}
        assert_answers_as_written(ids=ids, headers=headers, examples=examples)


def test_a_document_that_lies_is_found_out(ids: Ids, alice_client: APIClient) -> None:
    document = copy.deepcopy(openapi.read_document())
    document["components"]["schemas"]["Me"]["properties"]["email"] = {"type": "integer"}
    document["paths"] = {path: {} for path in document["paths"]} | {"/api/me": document["paths"]["/api/me"]}
    headers = {"Authorization": alice_client.defaults["HTTP_AUTHORIZATION"]}
    (trouble,) = find_troubles(document, ids=ids, headers=headers, examples=5)
    assert trouble.startswith("GET /api/me")
