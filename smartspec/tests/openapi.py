"""Answers checked against the OpenAPI document: what every app's tests of its schema share."""

import json
from typing import Any

import jsonschema
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


def read_document() -> dict[str, Any]:
    """Return the OpenAPI document as it is generated from the code."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))


def read_warnings() -> list[str]:
    """Return what the generator warns of; the document itself is valid, or this raises."""
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        validate_schema(SchemaGenerator().get_schema(request=None, public=True))
    return [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]


def calls_of(document: dict[str, Any], prefix: str) -> set[str]:
    """Return the calls under a path, each as `GET /assets`."""
    return {
        f"{method.upper()} {path.removeprefix(prefix)}"
        for path, item in document["paths"].items()
        if path.startswith(prefix)
        for method in item
    }


def as_json_schema(part: Any) -> Any:
    """Return a part of an OpenAPI 3.0 document as JSON Schema (draft 4, its base): `nullable` is a way to be null."""
    if isinstance(part, list):
        return [as_json_schema(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {name: as_json_schema(value) for name, value in part.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain


def closed(part: Any) -> Any:
    """Return a JSON Schema that refuses members which the document does not name."""
    if isinstance(part, list):
        return [closed(item) for item in part]
    if not isinstance(part, dict):
        return part
    shut = {name: closed(value) for name, value in part.items()}
    if "properties" in part and "additionalProperties" not in part:
        shut["additionalProperties"] = False
    return shut


def check(document: dict[str, Any], path: str, method: str, answer: Any, status: int) -> Any:
    """Assert that an answer has its status and the shape that the document promises for it; return its body."""
    assert answer.status_code == status, answer.content
    responses = document["paths"][path][method]["responses"]
    media_type = answer.headers["Content-Type"].partition(";")[0]
    promised = responses.get(str(status), responses["default"])["content"][media_type]["schema"]
    components = as_json_schema(document["components"])
    # A problem may carry the numbers that belong to it; every other answer has exactly the members that are documented.
    problem = components["schemas"].pop("Problem")
    components = {"schemas": {**closed(components["schemas"]), "Problem": problem}}
    body = json.loads(b"".join(answer.streaming_content) if answer.streaming else answer.content)
    jsonschema.Draft4Validator(
        {**as_json_schema(promised), "components": components}, format_checker=jsonschema.FormatChecker()
    ).validate(body)
    return body
