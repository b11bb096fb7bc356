"""`python -m smartspec.alive`: does the web server of this container answer? For the image's health check."""

import os
import sys
import urllib.request

TIMEOUT_SECONDS = 4


def main() -> int:
    """Ask `/healthz` under a name that this server answers to. Returns the exit code."""
    host = os.environ.get("SMARTSPEC_ALLOWED_HOSTS", "localhost").split(",")[0].strip()
    url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=TIMEOUT_SECONDS):
            return 0
    except OSError as error:
        print(f"{url}: {error}", file=sys.stderr)  # noqa: T201 - read by docker inspect
        return 1


if __name__ == "__main__":
    sys.exit(main())
