"""What the ledger contributes to the back-office: figures, a person's credits and history, what staff do to them."""

from credits.backoffice import account, actions, home, timeline

__all__ = ["account", "actions", "home", "timeline"]
