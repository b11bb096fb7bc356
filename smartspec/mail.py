"""Mail from templates, in the language of who reads it, once per cause.

A mail is a subject and a text; its HTML is made from the text. Paragraphs are parted by an empty line. One that reads
`Pay now: https://…` is a button, one that is a single code is shown large, several lines of `Name: value` are a small
table, and what follows the line `--` tells why the mail was sent.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from smartspec.bulkheads import Bulkhead, NoTurn
from smartspec.errors import DomainError
from smartspec.logs import get_logger
from smartspec.users import selectors
from smartspec.users.models import SentMail, User, WaitingMail

log = get_logger(__name__)

BUTTON = re.compile(r"(?P<label>[^:\n]{1,60}): (?P<url>https?://\S+)")
CODE = re.compile(r"[A-Z0-9-]{4,16}")
FACT = re.compile(r"(?P<name>[^:\n]{1,40}): (?P<value>.+)")
REASON_MARK = "\n\n-- \n"
KNOWN_AWAY_FOR = timedelta(minutes=10)
TRY_AGAIN_AFTER = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(days=2)  # the links of a mail are good for three
PATIENT_SECONDS = 60  # for a mail server, where nobody waits for the answer; else EMAIL_TIMEOUT
BULKHEAD = Bulkhead(4)  # of sixteen threads: a silent mail server holds no more of them


class MailNotTaken(DomainError):
    """The mail server is away, or refuses."""

    code = "mail_not_taken"
    status = 503
    title = "Mail not taken"


class MailServerAway(MailNotTaken):
    """There is none, or it does not answer."""


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


def send_mail_once(*, user: User, template: str, cause: str, context: dict[str, Any], now: datetime) -> bool:
    """Send `templates/mail/<template>.{subject.txt,txt}` to the user, unless this `cause` was already told.

    The mail leaves when the caller's transaction commits; while the mail server does not take it, it waits. Returns
    False when the same mail for the same cause was written before, and for somebody who asked to be forgotten: a bank
    or Stripe may tell of them for days.
    """
    if selectors.is_erased(user_id=user.pk):
        return False
    letter = write_letter(template=template, context=context | {"user": user}, language=user.language)
    return send_letter_once(letter, user=user, template=template, cause=cause, now=now)


def send_letter_once(letter: Letter, *, user: User, template: str, cause: str, now: datetime) -> bool:
    """Send a mail that is written already, unless this `cause` was already told. Returns whether it was new."""
    with transaction.atomic():
        sent, is_new = SentMail.objects.get_or_create(
            user=user, template=template, cause=cause, defaults={"sent_at": now}
        )
        if is_new:
            WaitingMail.objects.create(
                sent=sent, subject=letter.subject, text=letter.text, html=letter.html, written_at=now
            )
            # Robust: what goes wrong with a mail undoes nothing of what it tells, and stops nobody who did that.
            transaction.on_commit(lambda: try_to_hand_over(mail_id=sent.pk, now=now), robust=True)
    return is_new


def try_to_hand_over(*, mail_id: int, now: datetime) -> None:
    """Hand a mail over at once, unless the mail server was away just now: then nobody shall wait for it."""
    if WaitingMail.objects.filter(away_at__gt=now - KNOWN_AWAY_FOR).exists():
        return
    try:
        with BULKHEAD.turn():
            hand_over(mail_id=mail_id, connection=get_connection(), now=now)
    except NoTurn:
        return  # many wait for the mail server already
    except MailNotTaken as error:
        log.error("Mail waits", mail_id=mail_id, error=error.detail)


def hand_over_waiting(*, now: datetime) -> int:
    """Hand over every mail that waits and whose time has come, and return how many the mail server took.

    :raises MailServerAway: there is none, or not any more. What is left has lost nothing by it.
    """
    due = WaitingMail.objects.filter(Q(try_at=None) | Q(try_at__lte=now)).order_by("pk").values_list("pk", flat=True)
    mail_ids = list(due)
    if not mail_ids:
        return 0
    taken = 0
    connection = get_connection(timeout=PATIENT_SECONDS)
    with named_refusal():
        connection.open()
    try:
        for mail_id in mail_ids:
            try:
                taken += hand_over(mail_id=mail_id, connection=connection, now=now)
            except MailServerAway:
                raise
            except MailNotTaken as error:  # of one mail; the others' readers have done nothing
                log.error("Mail waits", mail_id=mail_id, error=error.detail)
    finally:
        connection.close()
    return taken


def hand_over(*, mail_id: int, connection: BaseEmailBackend, now: datetime) -> bool:
    """Hand a mail over to the mail server and return True, unless it is not its time, or its reader was forgotten.

    Of several that try at once one does it. Only a mail server that takes it without saying so in time, or a kill
    between its yes and our note of it, sends it twice, under one Message-ID.

    :raises MailServerAway: there is none. The mail waits until there is.
    :raises MailNotTaken: it is refused. It waits as long again as it has waited, and is given up after GIVE_UP_AFTER.
    """
    waiting = WaitingMail.objects.select_related("sent__user").filter(pk=mail_id).first()
    if waiting is None or (waiting.try_at is not None and waiting.try_at > now):
        return False
    waited = now - waiting.written_at
    claim = WaitingMail.objects.filter(pk=mail_id, try_at=waiting.try_at)
    if not claim.update(try_at=now + max(TRY_AGAIN_AFTER, waited)):
        return False
    if selectors.is_erased(user_id=waiting.sent.user_id):
        waiting.delete()
        return False
    try:
        send(compose(waiting, connection))
    except MailServerAway:
        WaitingMail.objects.filter(pk=mail_id).update(away_at=now)
        raise
    except MailNotTaken:
        if waited >= GIVE_UP_AFTER:
            log.error("Mail given up", mail_id=mail_id, template=waiting.sent.template, user_id=waiting.sent.user_id)
            SentMail.objects.filter(pk=mail_id).update(given_up_at=now)
            waiting.delete()
        raise
    waiting.delete()
    return True


def send(message: EmailMultiAlternatives) -> None:
    """Send a mail. One that cannot be sent for a reason of its own is refused, and keeps nobody else's.

    :raises MailNotTaken: see `named_refusal`.
    """
    try:
        with named_refusal():
            message.send()
    except MailNotTaken:
        raise
    except Exception as error:
        log.exception("Mail cannot be sent")
        raise MailNotTaken(f"It cannot be sent: {type(error).__name__}.") from None


def compose(waiting: WaitingMail, connection: BaseEmailBackend) -> EmailMultiAlternatives:
    """Return a mail that waits as it is sent, whenever and however often that is."""
    message = EmailMultiAlternatives(
        subject=waiting.subject,
        body=waiting.text,
        to=[waiting.sent.user.email],
        headers={"Message-ID": f"<mail-{waiting.pk}@{urlsplit(settings.SITE_URL).hostname}>"},
        connection=connection,
    )
    message.attach_alternative(waiting.html, "text/html")
    return message


@contextmanager
def named_refusal() -> Iterator[None]:
    """Turn what a mail server raises into an error of ours, with its class alone: its words have the address in them.

    :raises MailServerAway: it did not answer.
    :raises MailNotTaken: it answered no.
    """
    try:
        yield
    except (SMTPResponseException, SMTPRecipientsRefused) as error:
        raise MailNotTaken(f"The mail server refused it: {type(error).__name__}.") from None
    except OSError as error:  # smtplib's other errors are of this kind
        raise MailServerAway(f"There is no mail server: {type(error).__name__}.") from None


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
