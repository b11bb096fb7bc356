from typing import Any

from billing.sandbox import ids

DAY = 24 * 3600


def new_test_clock(*, frozen_time: int, name: str | None, now: int) -> dict[str, Any]:
    return {
        "id": ids.new_id("test_helpers.test_clock"),
        "object": "test_helpers.test_clock",
        "created": now,
        "deletes_after": now + 30 * DAY,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
