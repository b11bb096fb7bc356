"""Mail from templates, in the language of who reads it, once per cause.

A mail is a subject and a text; its HTML is made from the text. Paragraphs are parted by an empty line. One that reads
`Pay now: https://…` is a button, one that is a single code is shown large, several lines of `Name: value` are a small
table, and what follows the line `--` tells why the mail was sent.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from procrastinate.contrib.django import app

from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users import selectors
from smartspec.users.models import SentMail, User, WaitingMail

log = get_logger(__name__)

BUTTON = re.compile(r"(?P<label>[^:\n]{1,60}): (?P<url>https?://\S+)")
CODE = re.compile(r"[A-Z0-9-]{4,16}")
FACT = re.compile(r"(?P<name>[^:\n]{1,40}): (?P<value>.+)")
REASON_MARK = "\n\n-- \n"
SECOND_TRY_SECONDS = 60


class MailNotTaken(DomainError):
    """The mail server is away, or refuses."""

    code = "mail_not_taken"
    status = 503
    title = "Mail not taken"


@dataclass(frozen=True)
class Part:
    """A paragraph of a mail, and what it is: plain text, a button, a code or a table of facts."""

    kind: Literal["text", "button", "code", "facts"]
    text: str
    url: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Letter:
    """A mail as it is sent."""

    subject: str
    text: str
    html: str


def send_mail_once(*, user: User, template: str, cause: str, context: dict[str, Any]) -> bool:
    """Send `templates/mail/<template>.{subject.txt,txt}` to the user, unless this `cause` was already told.

    The mail leaves when the caller's transaction commits; while the mail server does not take it, its job tries for
    days. Returns False when the same mail for the same cause has been
    sent before, and for somebody who asked to be forgotten: a bank or Stripe may tell of them for days.
    """
    if selectors.is_erased(user_id=user.pk):
        return False
    sent, is_new = SentMail.objects.get_or_create(user=user, template=template, cause=cause)
    if not is_new:
        return False
    letter = write_letter(template=template, context=context | {"user": user}, language=user.language)
    WaitingMail.objects.create(sent=sent, subject=letter.subject, text=letter.text, html=letter.html)
    # By name: the task calls this module. It finds nothing to do where the mail server takes the mail at once.
    task = app.configure_task(name="smartspec.users.tasks.hand_over_mail", schedule_in={"seconds": SECOND_TRY_SECONDS})
    task.defer(mail_id=sent.pk)
    transaction.on_commit(lambda: try_to_hand_over(mail_id=sent.pk))
    return True


def try_to_hand_over(*, mail_id: int) -> None:
    """Hand a mail over if the mail server takes it now. It undoes nothing of what it tells: else its job does it."""
    try:
        hand_over(mail_id=mail_id)
    except MailNotTaken as error:
        log.error("Mail waits for the mail server", mail_id=mail_id, error=error.detail)


def hand_over(*, mail_id: int) -> None:
    """Hand a mail over to the mail server, unless that was done or its reader was forgotten meanwhile.

    Whoever is killed between the mail server's yes and our note of it sends it twice; nothing sends it never.

    :raises MailNotTaken: there is no mail server, or it refuses.
    """
    waiting = WaitingMail.objects.select_related("sent__user").filter(pk=mail_id).first()
    if waiting is None:
        return
    message = EmailMultiAlternatives(subject=waiting.subject, body=waiting.text, to=[waiting.sent.user.email])
    message.attach_alternative(waiting.html, "text/html")
    try:
        message.send()
    except OSError as error:  # smtplib's errors are of this kind
        # Its class alone: what a mail server says to a refusal has the address in it.
        raise MailNotTaken(f"The mail server did not take it: {type(error).__name__}.") from None
    waiting.delete()


def write_letter(*, template: str, context: dict[str, Any], language: str) -> Letter:
    """Return a mail of `templates/mail/` in a language."""
    with translation.override(language):
        context = {"site_url": settings.SITE_URL} | context
        subject = " ".join(render_to_string(f"mail/{template}.subject.txt", context).split())
        return lay_out(subject, render_to_string(f"mail/{template}.txt", context))


def lay_out(subject: str, written: str) -> Letter:
    """Return a subject and a text as a mail, with the line that tells why it was sent and where the settings are."""
    body, _, reason = tidy(written).partition(REASON_MARK)
    frame = {
        "subject": subject,
        "body": body,
        "parts": [read_part(paragraph) for paragraph in body.split("\n\n")],
        "reason": reason,
        "settings_url": f"{settings.SITE_URL}{reverse('account_email')}",
        "language": translation.get_language(),
    }
    return Letter(
        subject, tidy(render_to_string("mail/frame.txt", frame)) + "\n", render_to_string("mail/frame.html", frame)
    )


def tidy(text: str) -> str:
    """Return a text without the blank space that template tags leave behind."""
    lines = [line.rstrip() if line.strip() != "--" else "-- " for line in text.strip().splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def read_part(paragraph: str) -> Part:
    """Return what a paragraph is."""
    if button := BUTTON.fullmatch(paragraph):
        return Part("button", button["label"], url=button["url"])
    if CODE.fullmatch(paragraph):
        return Part("code", paragraph)
    facts = [FACT.fullmatch(line) for line in paragraph.splitlines()]
    if len(facts) > 1 and all(facts):
        return Part("facts", paragraph, facts=tuple((fact["name"], fact["value"]) for fact in facts if fact))
    return Part("text", paragraph)
