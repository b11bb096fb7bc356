"""Reports of errors to Sentry, when SENTRY_DSN says where: what failed and whose ids were bound, nothing personal."""

from typing import Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.argv import ArgvIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from smartspec.scrubbing import scrub

IDS = ("request_id", "user_id", "event_id", "event_type", "job_id")


def start(*, dsn: str, environment: str) -> None:
    """This will report, from now on, what nobody caught and what is logged as an error."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_enabling_integrations=False,
        disabled_integrations=[ArgvIntegration],  # people type secrets behind commands
        integrations=[DjangoIntegration(middleware_spans=False), LoggingIntegration(level=None)],
        before_send=prepare,
    )


def prepare(event: Any, hint: dict[str, Any]) -> Any:
    """Return a report as it may leave: the request's method and path, the person's id, and all of it scrubbed."""
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):  # a line of ours is an event's name and its fields
        fields = {name: str(value) for name, value in record.msg.items() if not name.startswith("_")}
        event["logentry"] = {"message": fields.pop("event", "")}
        event["extra"] = fields
    elif record is not None:  # whole, for a value alone does not look like what it is
        event["logentry"] = {"message": record.getMessage()}
    if "request" in event:
        request = event["request"]
        event["request"] = {name: request[name] for name in ("method", "url") if name in request}
    bound = structlog.contextvars.get_contextvars()
    event["tags"] = {name: str(bound[name]) for name in IDS if name in bound}
    if "user_id" in bound:
        event["user"] = {"id": str(bound["user_id"])}
    return scrub(event)
