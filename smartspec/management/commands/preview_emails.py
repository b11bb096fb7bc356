"""`manage.py preview_emails`: every mail, in both languages, as files to look at."""

from argparse import ArgumentParser
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import translation

from smartspec import clock, mail
from smartspec.users.models import User

# allauth's occasions that this product knows.
ACCOUNT_MAILS = (
    "email_confirmation",
    "password_reset_code",
    "unknown_account",
    "account_already_exists",
    "new_place",
    "password_changed",
    "password_reset",
    "email_changed",
    "email_confirm",
    "email_deleted",
)


class Command(BaseCommand):
    help = (
        "Write every mail that this server sends, with made-up names and numbers, in English and Thai, as .txt (its"
        " first line is the subject) and .html files, and print how many. Nothing is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", default="mail-preview", help="where to write (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"])
        try:
            count = self.write(folder)
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}.", returncode=2) from error
        self.stdout.write(f"{count} mails are in {folder.resolve()}")

    def write(self, folder: Path) -> int:
        """Write every mail under a folder, and return how many."""
        count = 0
        for language, _ in settings.LANGUAGES:
            (folder / language).mkdir(parents=True, exist_ok=True)
            for name, letter in self.letters(language):
                (folder / language / f"{name}.txt").write_text(f"{letter.subject}\n\n{letter.text}")
                (folder / language / f"{name}.html").write_text(letter.html)
                count += 1
        return count

    def letters(self, language: str) -> list[tuple[str, mail.Letter]]:
        """Return every mail in a language, by name."""
        user = User(email="somchai@example.com", name="Somchai", language=language)
        context = sample(user)
        names = sorted(path.name.removesuffix(".subject.txt") for path in mail_folder().glob("*.subject.txt"))
        written = [(name, mail.write_letter(template=name, context=context, language=language)) for name in names]
        with translation.override(language):
            for name in ACCOUNT_MAILS:
                message = get_adapter().render_mail(f"account/email/{name}", user.email, context)
                html = message.alternatives[0][0]
                written.append((f"account_{name}", mail.Letter(message.subject, message.body, html)))
        return written


def mail_folder() -> Path:
    """Return where the templates of mail stand."""
    return Path(settings.BASE_DIR) / "templates" / "mail"


def sample(user: User) -> dict[str, Any]:
    """Return made-up values for everything that mails tell."""
    now = clock.now()
    return {
        "user": user,
        "email": user.email,
        "name": "Render farm",
        "plan": "Pro",
        "credits": Decimal(500),
        "bonus_credits": 40,
        "total_credits": 540,
        "paid_cents": 3500,
        "amount_cents": 3500,
        "currency": "usd",
        "link": f"{settings.SITE_URL}/account/billing",
        "paid_at": now,
        "period_end": now + timedelta(days=30),
        "coming": {"credits": 500, "at": now + timedelta(days=30)},
        "access_ends_at": now + timedelta(days=21),
        "renews_at": now + timedelta(days=7),
        "expires_at": now + timedelta(days=7),
        "arrears_credits": "3.25",
        "uploads_stop_at": now + timedelta(days=7),
        "files_deleted_at": now + timedelta(days=60),
        "ends_at": now + timedelta(days=7),
        "prefix": "suk_K7QX2MPD",
        "last4": "4242",
        "exp_month": 3,
        "exp_year": 2027,
        "available": Decimal("42.5"),
        "monthly_allowance": Decimal(500),
        "code": "K7QX-2MPD",
        "news": [{"name": "webhooks_fail", "detail": "3 webhooks have failed.", "remedy": "Look at them in /admin/."}],
        "timestamp": now,
        "ip": "203.0.113.7",
        "user_agent": "Firefox",
        "from_email": user.email,
        "to_email": "somchai.new@example.com",
        "deleted_email": user.email,
        "signup_url": f"{settings.SITE_URL}/accounts/signup/",
        "password_reset_url": f"{settings.SITE_URL}/accounts/password/reset/",
    }
