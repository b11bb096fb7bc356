"""Reading parameters: form encoding to nested values, checked against what stripe-python says each call accepts.

What Stripe accepts and the sandbox has no part for is refused as well (`honoured`): nothing is dropped in silence.
"""

import json
import pathlib
import re
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from billing.sandbox.api.honoured import Honoured, honoured
from billing.sandbox.errors import NotPlayed, ParameterInvalid, ParameterMissing, StripeError

KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
TRUE, FALSE = {"true", "True", "1"}, {"false", "False", "0"}
ANYTHING = "anything"  # for lists that the sandbox never has any of: every filter is right


@cache
def descriptions() -> dict[str, Any]:
    """This will return what each call accepts, by the name of stripe-python's class."""
    parsed: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / "parameters.json").read_text())
    return parsed


def parse(text: str) -> dict[str, Any]:
    """This will read form-encoded text: `items[0][price]=p` becomes `{"items": [{"price": "p"}]}`, all of it text."""
    nested: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        match = KEY.match(key)
        if match is None:
            raise StripeError(400, f"Invalid parameter name: {key}", code="parameter_unknown", param=key)
        path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        _put(nested, path, value)
    parsed: dict[str, Any] = _lists(nested)
    return parsed


def check(params: dict[str, Any], name: str | None) -> dict[str, Any]:
    """This will give every parameter its type. A call without a name takes none.

    :raises StripeError: 400 `parameter_unknown`, `parameter_missing` or `parameter_invalid_…`, naming the parameter.
    :raises NotPlayed: for one that Stripe accepts and the sandbox does not honour.
    """
    if name is ANYTHING:
        return params
    description = descriptions()[name] if name else {"fields": {}}
    return Reader(honoured(name) if name else Honoured("")).read(params, description)


def _put(target: dict[str, Any], path: list[str], value: str) -> None:
    for index, part in enumerate(path[:-1]):
        part = part or str(len(target))
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise StripeError(400, f"Invalid hash: {path[index]}", code="parameter_invalid_empty", param=path[0])
    target[path[-1] or str(len(target))] = value


def _lists(value: Any) -> Any:
    """Turn `{"0": a, "1": b}` into `[a, b]`, all the way down."""
    if not isinstance(value, dict):
        return value
    converted = {key: _lists(inner) for key, inner in value.items()}
    if converted and all(key.isdigit() for key in converted):
        return [converted[key] for key in sorted(converted, key=int)]
    return converted


class Reader:
    """Checks the parameters of one call: that they are known, of their type, and honoured."""

    def __init__(self, honours: Honoured) -> None:
        self.honours = honours

    def read(
        self, values: dict[str, Any], description: dict[str, Any], param: str = "", path: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """This will check an object; `param` is its name in Stripe's form, `path` the same without places in lists."""
        fields = description["fields"]
        checked: dict[str, Any] = {}
        for name, value in values.items():
            full = f"{param}[{name}]" if param else name
            if name not in fields:
                raise StripeError(400, f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
            self._require_played(value, full, (*path, name))
            checked[name] = self._read_value(value, fields[name], full, (*path, name))
        for name in description.get("required", []):
            if name not in values:
                raise ParameterMissing(f"{param}[{name}]" if param else name)
        return checked

    def _require_played(self, value: Any, param: str, path: tuple[str, ...]) -> None:
        """Let pass what is honoured, and what takes away something that can never be there."""
        if value == "":
            return
        if not self.honours.plays(path):
            raise NotPlayed(param)
        only = self.honours.only_values(path)
        for one in value if isinstance(value, list) else [value]:
            if only is not None and one not in only and not (one in FALSE and "false" in only):
                raise NotPlayed(param, only=only)

    def _read_value(self, value: Any, description: Any, param: str, path: tuple[str, ...]) -> Any:
        if isinstance(description, dict):
            if "any" in description:
                return self._read_any(value, description["any"], param, path)
            if "enum" in description:
                return _check_choice(value, description["enum"], param)
            if "list" in description:
                if not isinstance(value, list):
                    raise ParameterInvalid(param, "Invalid array")
                return [
                    self._read_value(item, description["list"], f"{param}[{index}]", path)
                    for index, item in enumerate(value)
                ]
            if not isinstance(value, dict):
                raise ParameterInvalid(param, "Invalid object")
            return self.read(value, description, param, path)
        if description == "map":
            return _check_map(value, param)
        if description == "any":
            return value
        if not isinstance(value, str):
            raise ParameterInvalid(
                param, f"Invalid {'string' if description == 'str' else description}: {json.dumps(value)}"
            )
        return CONVERTERS[description](value, param)

    def _read_any(self, value: Any, options: list[Any], param: str, path: tuple[str, ...]) -> Any:
        """Take the first alternative that fits the form of the value, and report that one's errors."""
        if value == "" and any(isinstance(option, dict) and "" in option.get("enum", []) for option in options):
            return ""
        fitting = next((option for option in options if _fits(value, option)), options[-1])
        return self._read_value(value, fitting, param, path)


def _fits(value: Any, option: Any) -> bool:
    if isinstance(option, dict) and "enum" in option:
        return value in option["enum"]
    if isinstance(option, dict) and "list" in option:
        return isinstance(value, list)
    if isinstance(option, dict) or option == "map":
        return isinstance(value, dict)
    if option == "int":
        return isinstance(value, str) and value.lstrip("-").isdigit()
    if option == "bool":
        return value in TRUE | FALSE
    return isinstance(value, str)


def _check_choice(value: Any, choices: list[Any], param: str) -> Any:
    if choices == [True] or choices == [False]:
        return _to_boolean(value, param)
    if value not in choices:
        named = [str(choice) for choice in choices if choice != ""]
        listed = named[0] if len(named) == 1 else f"{', '.join(named[:-1])}, or {named[-1]}"
        raise ParameterInvalid(param, f"Invalid {param}: must be one of {listed}")
    return value


def _check_map(value: Any, param: str) -> Any:
    if value == "":
        return ""
    if isinstance(value, list):  # metadata whose keys are all digits
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict):
        raise ParameterInvalid(param, "Invalid hash")
    for key, text in value.items():
        if not isinstance(text, str):
            raise ParameterInvalid(f"{param}[{key}]", f"Invalid string: {json.dumps(text)}")
        if len(key) > 40:
            raise ParameterInvalid(param, f"Metadata keys can have up to 40 characters, but you passed in {key}.")
        if len(text) > 500:
            raise ParameterInvalid(
                f"{param}[{key}]", f"Metadata values can have up to 500 characters, but you passed in {len(text)}."
            )
    if len(value) > 50:
        raise ParameterInvalid(param, "You can only specify up to 50 keys as metadata.")
    return value


def _to_text(value: str, param: str) -> str:
    if len(value) > 5000:
        raise ParameterInvalid(
            param, "Invalid string: too long (up to 5000 characters).", "parameter_invalid_string_blank"
        )
    return value


def _to_integer(value: str, param: str) -> int:
    digits = value.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise ParameterInvalid(param, f"Invalid integer: {value}", "parameter_invalid_integer")
    return int(value)


def _to_boolean(value: Any, param: str) -> bool:
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ParameterInvalid(param, f"Invalid boolean: {value}")


def _to_number(value: str, param: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ParameterInvalid(param, f"Invalid decimal: {value}") from None


def _to_decimal(value: str, param: str) -> str:
    """Decimals travel as text in Stripe's JSON, and are kept so."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ParameterInvalid(param, f"Invalid decimal: {value}") from None
    if not number.is_finite():
        raise ParameterInvalid(param, f"Invalid decimal: {value}")
    return value


CONVERTERS = {"str": _to_text, "int": _to_integer, "bool": _to_boolean, "float": _to_number, "decimal": _to_decimal}
