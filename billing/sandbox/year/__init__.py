"""A year of seven people's money, played in a minute: `manage.py sandbox year`."""

from billing.sandbox.year.play import WebhooksDisturbed, play

__all__ = ["WebhooksDisturbed", "play"]
