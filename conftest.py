"""Points the tests at a database of their own before Django's settings are read."""

import os
from pathlib import Path

data_dir = Path(os.environ.get("SMARTSPEC_DATA_DIR", ".local"))
if data_dir.name != "test":
    os.environ["SMARTSPEC_DATA_DIR"] = str(data_dir / "test")
# Playwright's synchronous driver keeps an event loop in the thread that also uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

pytest_plugins = ["smartspec.testing"]
