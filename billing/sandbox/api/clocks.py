"""Test clocks, which Stripe keeps under `/v1/test_helpers`."""

from billing.sandbox.api.routing import Route, list_of
from billing.sandbox.services import clocks

URL = "/v1/test_helpers/test_clocks"

CLOCK_ROUTES = [
    Route("GET", URL, list_of(clocks.KIND, URL), "test_helpers.TestClockListParams"),
    Route(
        "POST",
        URL,
        lambda call: clocks.create_test_clock(call.params, now=call.now),
        "test_helpers.TestClockCreateParams",
    ),
    Route("GET", f"{URL}/{{id}}", lambda call: clocks.get_test_clock(call.id, now=call.now)),
    Route("DELETE", f"{URL}/{{id}}", lambda call: clocks.delete_test_clock(call.id, now=call.now)),
    Route(
        "POST",
        f"{URL}/{{id}}/advance",
        lambda call: clocks.advance_test_clock(call.id, frozen_time=call.params["frozen_time"], now=call.now),
        "test_helpers.TestClockAdvanceParams",
    ),
]
