"""Holds an object against stripe-python's own annotations of its class."""

import typing
from decimal import Decimal
from typing import Any

from stripe._list_object import ListObject
from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject, UntypedStripeObject

# An Event's type is annotated with the types of the day; a list may carry a count that is not annotated.
UNCHECKED = {("event", "type")}
LIST_FIELDS = {"object", "data", "has_more", "url", "total_count"}


def find_faults(data: dict[str, Any], path: str = "") -> list[str]:
    """Return what is missing, unknown or of the wrong type in an object and everything inside it."""
    kind = data.get("object", "")
    if kind == "list":
        return _faults_of_list(data, path)
    return _faults_of_class(data, get_object_class("V1", kind), path or kind)


def _faults_of_class(data: dict[str, Any], cls: type, path: str) -> list[str]:
    faults = []
    annotations = {
        name: _resolve(annotation, cls)
        for base in reversed(cls.__mro__)
        if base is not StripeObject and issubclass(base, StripeObject)
        for name, annotation in vars(base).get("__annotations__", {}).items()
        if not name.startswith("_") and "ClassVar" not in str(annotation)
    }
    # An attribute whose name is taken in Python is annotated under another one.
    renamed = getattr(cls, "_field_remappings", {})
    annotations = {renamed.get(name, name): annotation for name, annotation in annotations.items()}
    for name, value in data.items():
        where = f"{path}.{name}"
        if name not in annotations:
            faults.append(f"{where}: unknown field")
        elif (cls.__name__.lower(), name) not in UNCHECKED:
            faults += _faults(value, annotations[name], cls, where)
    faults += [
        f"{path}.{name}: missing"
        for name, annotation in annotations.items()
        if name not in data and not _is_optional(annotation)
    ]
    return faults


def _faults(value: Any, annotation: Any, cls: type, path: str) -> list[str]:
    annotation = _resolve(annotation, cls)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return [] if value is None else [f"{path}: not null"]
    if origin is typing.Union:
        return _faults_of_union(value, [_resolve(argument, cls) for argument in arguments], cls, path)
    if origin is typing.Literal:
        return [] if value in arguments else [f"{path}: {value!r} is none of {arguments}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [
            fault for index, item in enumerate(value) for fault in _faults(item, arguments[0], cls, f"{path}.{index}")
        ]
    if annotation is Any:
        return []
    klass = origin or annotation
    if isinstance(klass, typing.ForwardRef) or not isinstance(klass, type):
        return _faults_of_reference(value, str(klass), path)
    if issubclass(klass, UntypedStripeObject) or klass is dict:
        return [] if isinstance(value, dict) else [f"{path}: no object"]
    if issubclass(klass, ListObject):
        return _faults_of_list(value, path) if isinstance(value, dict) else [f"{path}: no list object"]
    if issubclass(klass, StripeObject):
        return _faults_of_class(value, klass, path) if isinstance(value, dict) else [f"{path}: no object"]
    expected = {int: (int,), float: (int, float), str: (str,), bool: (bool,), Decimal: (str,)}[klass]
    if not isinstance(value, expected) or (isinstance(value, bool) and klass is not bool):
        return [f"{path}: {value!r} is no {klass.__name__}"]
    return []


def _faults_of_union(value: Any, options: list[Any], cls: type, path: str) -> list[str]:
    literals = [option for option in options if typing.get_origin(option) is typing.Literal]
    if literals and str in options:
        options = [option for option in options if option is not str]  # `Literal[...] | str`: the list is meant
    tried = [_faults(value, option, cls, path) for option in options]
    if not all(tried):
        return []
    if isinstance(value, dict):
        return max(tried, key=lambda faults: max(len(fault) for fault in faults))  # the alternative that got furthest
    return tried[0]


def _faults_of_reference(value: Any, name: str, path: str) -> list[str]:
    """Check what an expandable field holds once it is expanded."""
    if not isinstance(value, dict) or "object" not in value:
        return [f"{path}: {value!r} is no {name}"]
    return find_faults(value, path)


def _faults_of_list(value: dict[str, Any], path: str) -> list[str]:
    faults = [f"{path}.{name}: unknown field of a list" for name in value.keys() - LIST_FIELDS]
    faults += [f"{path}.{name}: missing" for name in ("object", "data", "has_more", "url") if name not in value]
    return faults + [
        fault for index, item in enumerate(value.get("data", [])) for fault in find_faults(item, f"{path}.data.{index}")
    ]


def _resolve(annotation: Any, cls: type) -> Any:
    """Look a name up among the classes beside and inside this one; other modules' are only references."""
    text = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    if not isinstance(text, str):
        return annotation
    import sys

    namespace = {**vars(typing), **vars(sys.modules[cls.__module__]), **vars(cls)}
    try:
        return eval(text, namespace)  # noqa: S307 (the installed library's own annotations)
    except (NameError, AttributeError, TypeError):
        return typing.ForwardRef(text)


def _is_optional(annotation: Any) -> bool:
    return annotation is Any or type(None) in typing.get_args(annotation)
