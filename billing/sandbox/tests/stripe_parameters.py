"""What each call of Stripe's API accepts, taken from the annotations of the installed stripe-python.

The sandbox itself never imports `stripe`; it reads the result, `billing/sandbox/api/parameters.json`. After an upgrade
of stripe-python write it anew with `python -m billing.sandbox.tests.stripe_parameters`; a test compares the two.
"""

from __future__ import annotations

import json
import pathlib
import sys
import types
import typing
from decimal import Decimal
from typing import Any

import stripe.params
from stripe._request_options import RequestOptions

from billing.sandbox.api.honoured import HONOURED

PARAMETERS = pathlib.Path(__file__).parents[1] / "api" / "parameters.json"

# Large trees about payment methods that the sandbox has no use for: any value passes.
UNCHECKED = {"payment_method_options", "payment_method_data", "shipping_options", "evidence", "shipping"}
EVERY_CALL = set(RequestOptions.__annotations__)


def read_parameters(names: typing.Iterable[str]) -> dict[str, Any]:
    """This will describe the parameter classes of these names (`checkout.SessionListParams`)."""
    return {name: _describe_class(_find_class(name)) for name in sorted(set(names))}


def _find_class(name: str) -> type:
    found: Any = stripe.params
    for part in name.split("."):
        found = getattr(found, part)
    return typing.cast(type, found)


def _describe_class(params: type) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    required: list[str] = []
    for base in reversed(params.__mro__ if hasattr(params, "__mro__") else [params]):
        for name, annotation in getattr(base, "__annotations__", {}).items():
            if name in EVERY_CALL or name == "expand":
                continue
            resolved = _resolve(annotation, params.__module__)
            is_optional = typing.get_origin(resolved) is typing.NotRequired or _is_not_required(resolved)
            if is_optional:
                resolved = _resolve(typing.get_args(resolved)[0], params.__module__)
            else:
                required.append(name)
            plain_name = name.removesuffix("_") if name in ("from_",) else name
            fields[plain_name] = "any" if name in UNCHECKED else _describe(resolved, params.__module__)
    return {"fields": fields, **({"required": required} if required else {})}


def _is_not_required(annotation: Any) -> bool:
    return getattr(typing.get_origin(annotation), "_name", "") == "NotRequired"


def _resolve(annotation: Any, module: str) -> Any:
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        namespace = {**vars(typing), **vars(sys.modules[module])}
        return eval(annotation, namespace)  # noqa: S307 (the installed library's own annotations)
    return annotation


def _describe(annotation: Any, module: str) -> Any:
    annotation = _resolve(annotation, module)
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _describe_union([_resolve(argument, module) for argument in arguments], module)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"list": _describe(arguments[0], module)}
    if origin is dict or "UntypedStripeObject" in str(annotation):
        return "map"
    if annotation in (str, int, bool, float):
        return annotation.__name__
    if annotation is Decimal:
        return "decimal"
    if isinstance(annotation, type) and hasattr(annotation, "__annotations__"):
        return _describe_class(annotation)
    return "any"


def _describe_union(options: list[Any], module: str) -> Any:
    described = [_describe(option, module) for option in options if option is not type(None)]
    values = [value for option in described if isinstance(option, dict) for value in option.get("enum", [])]
    others = [option for option in described if not (isinstance(option, dict) and "enum" in option)]
    if [value for value in values if value != ""] and "str" in others:
        # stripe-python writes `Literal['a', 'b'] | str` so that new values type-check; the API takes the list alone.
        others.remove("str")
    unique = [option for index, option in enumerate(others) if option not in others[:index]]
    merged = [*([{"enum": list(dict.fromkeys(values))}] if values else []), *unique]
    return merged[0] if len(merged) == 1 else {"any": merged}


def write_parameters() -> None:
    PARAMETERS.write_text(
        json.dumps(read_parameters(HONOURED), sort_keys=True, indent=None, separators=(",", ":")) + "\n"
    )


if __name__ == "__main__":
    write_parameters()
