"""The house: who may import whom (README, "The map")."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

BASE_DIR = Path(settings.BASE_DIR)
APPS = ("smartspec", "credits", "billing", "media")
MAY_IMPORT = {
    "smartspec": set(),
    "credits": {"smartspec"},
    "billing": {"smartspec", "credits"},
    "media": {"smartspec", "credits"},
}
EDGES = {"views", "pages", "admin", "backoffice", "commands", "tasks", "handlers", "urls", "serializers", "webhooks"}
LAYERS = {"models": 0, "selectors": 1, "services": 2} | dict.fromkeys(EDGES, 3)


def modules() -> list[Path]:
    """Every module of the product; tests and migrations may reach wherever they need to."""
    return [
        path.relative_to(BASE_DIR)
        for app in APPS
        for path in (BASE_DIR / app).rglob("*.py")
        if not {"tests", "migrations", "djstripe_migrations"} & set(path.relative_to(BASE_DIR).parts)
        and path.name != "testing.py"
    ]


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that the module imports, wherever in it."""
    for node in ast.walk(ast.parse((BASE_DIR / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(parts: tuple[str, ...]) -> int | None:
    """Return the layer of a module or an imported name within its app, or None for what stands beside the layers."""
    return next((LAYERS[part] for part in parts[1:] if part in LAYERS), None)


@pytest.mark.parametrize("path", modules(), ids=str)
class TestImports:
    def test_go_only_to_the_apps_below(self, path: Path) -> None:
        app = path.parts[0]
        foreign = {name.split(".")[0] for name in imports(path)} & set(APPS) - {app}
        assert foreign <= MAY_IMPORT[app]

    def test_reach_other_apps_only_through_services_and_selectors(self, path: Path) -> None:
        for name in imports(path):
            app, *rest = name.split(".")
            if app in ("credits", "billing", "media") and app != path.parts[0]:
                assert rest in (["services"], ["selectors"]), f"{path} imports {name}"

    def test_go_down_the_layers(self, path: Path) -> None:
        own = layer(path.with_suffix("").parts)
        for name in imports(path):
            other = layer(tuple(name.split(".")))
            if own is not None and other is not None and name.split(".")[0] == path.parts[0]:
                assert other <= own, f"{path} imports {name}"

    def test_keep_the_sandbox_out_of_the_product(self, path: Path) -> None:
        if "sandbox" not in path.parts:
            assert not [name for name in imports(path) if "sandbox" in name.split(".")]

    def test_keep_vendors_behind_one_door(self, path: Path) -> None:
        vendors = {name.split(".")[0] for name in imports(path)} & {"stripe", "boto3", "botocore", "storages"}
        if path.parts[:2] == ("billing", "sandbox"):
            return
        allowed = {
            "billing/gateway/client.py": {"stripe"},
            "billing/gateway/signatures.py": {"stripe"},
            "media/storage/boto.py": {"boto3", "botocore", "storages"},
        }
        assert vendors <= allowed.get(str(path), set())

    def test_fetch_no_address_by_themselves(self, path: Path) -> None:
        if {"sandbox", "bench"} & set(path.parts):
            return
        asking_themselves = {"smartspec/alive.py", "smartspec/management/commands/run_local.py"}
        libraries = ("requests", "urllib3", "httpx", "aiohttp", "urllib.request", "http.client", "ftplib")
        used = [name for name in imports(path) if name.startswith(libraries)]
        assert not used or str(path) in asking_themselves
