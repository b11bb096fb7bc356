"""Loads the shared fixtures."""

import os

# Playwright's synchronous driver keeps an event loop in the thread that also uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

pytest_plugins = ["smartspec.testing"]
