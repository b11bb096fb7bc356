"""What the OpenAPI document says about calling, and about allauth's endpoints, which are no views of DRF."""

import functools
import json
import re
from typing import Any

from allauth.headless.spec.internal.schema import get_schema
from drf_spectacular.extensions import OpenApiAuthenticationExtension

TAG = "auth"
REFERENCE = re.compile(r'"#/components/(\w+)/(\w+)"')
# Telephone numbers, log-in by code alone and JSON web tokens: allauth can, this product does not.
UNUSED = re.compile(r"phone|/code/|/tokens/")


class BearerSessionScheme(OpenApiAuthenticationExtension):
    target_class = "smartspec.users.authentication.BearerSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The session token of the desktop app (`meta.session_token` of sign-up and log-in).",
        }


class ServiceKeyScheme(OpenApiAuthenticationExtension):
    target_class = "smartspec.users.authentication.ServiceKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key <key>`: a service's key, or a user's own.",
        }


def add_account_endpoints(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Add allauth's own description of /api/auth/app/… to the document (SPECTACULAR_SETTINGS names it as a hook)."""
    paths, components = account_endpoints()
    result["paths"] = dict(sorted((result["paths"] | paths).items()))
    for kind, named in components.items():
        result["components"].setdefault(kind, {}).update(named)
    return result


@functools.cache
def account_endpoints() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paths, and the components that they refer to; each component's name is prefixed with Auth."""
    specification = get_schema()
    # allauth's answers name one more flow than their description, and say of it when it is not pending.
    flow = specification["components"]["schemas"]["Flow"]["properties"]
    flow["id"]["enum"] = sorted({*flow["id"]["enum"], "password_reset_by_code"})
    flow["is_pending"].pop("enum", None)
    # Whoever asks for what needs a fresh log-in may have no session at all.
    responses = specification["components"]["responses"]
    either = responses["ReauthenticationRequired"] = responses["AuthenticationOrReauthentication"]
    schema = either["content"]["application/json"]["schema"]
    schema["anyOf"] = schema.pop("oneOf")  # the second of the two is a case of the first
    paths = {path: item for path, item in specification["paths"].items() if not UNUSED.search(path)}
    for path, item in paths.items():
        for method, operation in item.items():
            operation["operationId"] = "_".join([TAG, method, *path.split("/")[5:]])
            operation["tags"] = [TAG]
            operation["security"] = [{"session": []}, {}]
            mark_problems(operation["responses"], specification["components"]["responses"])
    components = referred_components(paths, specification["components"])
    renamed: tuple[dict[str, Any], dict[str, Any]] = tuple(
        json.loads(REFERENCE.sub(r'"#/components/\1/Auth\2"', json.dumps(part))) for part in (paths, components)
    )
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for item in renamed[0].values():
        for operation in item.values():
            operation["responses"]["default"] = {"description": "", "content": problem}
    return renamed[0], {
        kind: {f"Auth{name}": component for name, component in named.items()} for kind, named in renamed[1].items()
    }


def mark_problems(responses: dict[str, Any], components: dict[str, Any]) -> None:
    """Give the errors among an operation's answers the content type that problems.py gives them."""
    for status, response in responses.items():
        found = components[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        if int(status) >= 400 and "application/json" in found.get("content", {}):
            found["content"]["application/problem+json"] = found["content"].pop("application/json")


def referred_components(paths: dict[str, Any], components: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return those components that the paths refer to, directly or through others."""
    used: dict[str, dict[str, Any]] = {}
    waiting = set(REFERENCE.findall(json.dumps(paths)))
    while waiting:
        kind, name = waiting.pop()
        if name not in used.setdefault(kind, {}):
            used[kind][name] = components[kind][name]
            waiting |= set(REFERENCE.findall(json.dumps(components[kind][name])))
    return used
