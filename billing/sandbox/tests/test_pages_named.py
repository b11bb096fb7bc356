"""Stripe's documentation is the reference: every module of tests here names a page of it.

https://docs.stripe.com/api
"""

import pathlib
import re

import pytest

OURS = {"test_bench_http"}  # how fast this product is, which is nobody else's rule
MODULES = sorted(path for path in pathlib.Path(__file__).parent.rglob("test_*.py") if path.stem not in OURS)
PAGE = re.compile(r"https://docs\.stripe\.com/[a-z0-9]")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_a_page_is_named(module: pathlib.Path) -> None:
    assert PAGE.search(module.read_text())
