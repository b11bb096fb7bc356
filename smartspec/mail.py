"""Mail from templates, once per cause."""

from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string

from smartspec.users.models import SentMail, User


def send_mail_once(*, user: User, template: str, cause: str, context: dict[str, Any]) -> bool:
    """Send `templates/mail/<template>.{subject.txt,txt,html}` to the user, unless this `cause` was already told.

    The mail leaves when the caller's transaction commits. Returns False when the same mail for the same cause has been
    sent before.
    """
    _, is_new = SentMail.objects.get_or_create(user=user, template=template, cause=cause)
    if not is_new:
        return False
    context = context | {"user": user}
    message = EmailMultiAlternatives(
        subject=render_to_string(f"mail/{template}.subject.txt", context).strip(),
        body=render_to_string(f"mail/{template}.txt", context),
        to=[user.email],
    )
    transaction.on_commit(message.send)
    return True
