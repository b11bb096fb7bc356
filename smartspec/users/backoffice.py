"""What people contribute to the back-office: who they are, where they are signed in, their keys, and what staff did."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse

from smartspec import backoffice
from smartspec.admin import badge
from smartspec.backoffice import Action, ActionForm, ActionLink, Document, Fact, Hit, Line, Panel, Preview
from smartspec.templatetags.backoffice import in_words
from smartspec.users import keys, selectors, services
from smartspec.users.models import StaffAction, User
from smartspec.users.services import Staff

ROWS_SHOWN = 20
KEY_COLOURS = {"live": "success", "revoked": "danger", "expired": "warning"}


# --- Finding ------------------------------------------------------------------------------------------------------


@backoffice.searches(order=10)
def people_by_id(term: str) -> list[Hit]:
    """A user id."""
    try:
        user_id = UUID(term)
    except ValueError:
        return []
    return [Hit(user_id, "user id")] if User.objects.filter(pk=user_id).exists() else []


@backoffice.searches(order=20)
def people_by_mail_and_name(term: str) -> list[Hit]:
    """The start of an e-mail address, or of words of a name; a whole address means one person alone."""
    found = selectors.find_people(term=term)
    return [Hit(user.pk, "e-mail" if user.email.startswith(term.lower()) else "name") for user in found]


@backoffice.searches(order=30)
def people_by_key(term: str) -> list[Hit]:
    """An API key, or the start of its prefix."""
    if not term.startswith(f"{keys.USER_KIND}_"):
        return []
    return [Hit(key.user_id, f"API key {key.prefix}") for key in selectors.find_people_of_key(text=term) if key.user_id]


# --- A person's page ----------------------------------------------------------------------------------------------


@backoffice.facts(order=90)
def address(user: User, now: datetime) -> list[Fact]:
    """Whether the e-mail address is confirmed; told while it is not."""
    if selectors.has_verified_email(user):
        return []
    return [Fact("E-mail", "unconfirmed", "Free's credits wait for it.", tone="warning")]


@backoffice.panels(right="usersessions.view_usersession", order=80)
def sessions(user: User, now: datetime) -> list[Panel]:
    """Where they are signed in."""
    rows = [
        (
            backoffice.wide(session.user_agent[:80]),
            session.ip,
            f"{session.created_at:%Y-%m-%d %H:%M}",
            f"{session.last_seen_at:%Y-%m-%d %H:%M}",
            ActionLink("end-session", str(session.pk), "End …"),
        )
        for session in selectors.list_sessions(user=user, limit=ROWS_SHOWN)
    ]
    columns = ("Device", "Address", "Since", "Last seen", "")
    return [Panel("Sessions", columns, rows, empty="Signed in nowhere.")]


@backoffice.panels(right="users.view_apikey", order=85)
def api_keys(user: User, now: datetime) -> list[Panel]:
    """Their API keys, by what may be known of them."""
    rows = [
        (
            key.prefix,
            key.name,
            ", ".join(key.scopes),
            badge(state := selectors.key_state(key=key, now=now), KEY_COLOURS[state]),
            f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
            "" if key.revoked_at else ActionLink("revoke-key", str(key.pk), "Revoke …"),
        )
        for key in selectors.list_all_keys(user=user, limit=ROWS_SHOWN)
    ]
    columns = ("Key", "Name", "May", "State", "Last used", "")
    return [Panel("API keys", columns, rows, empty="They have made none.")]


@backoffice.timeline(right="users.view_staffaction", order=80)
def staff_actions(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """What staff did."""
    for done in selectors.list_staff_actions(user=user, until=until, limit=limit):
        yield Line(
            at=done.created_at,
            title=f"{in_words(done.action)} by {done.actor.email}",
            detail=f"{done.get_reason_display()}: {done.note}{changes_text(done)}",
            url=reverse("admin:users_staffaction_change", args=[done.pk]),
            tone="primary",
        )


@backoffice.timeline(right="users.view_sentmail", order=90)
def mails(user: User, until: datetime, limit: int) -> Iterable[Line]:
    """What they were told by mail."""
    for mail in selectors.list_mails(user=user, until=until, limit=limit):
        state = selectors.mail_state(mail)
        yield Line(at=mail.sent_at, title=f"Mail: {in_words(mail.template)}", detail="" if state == "yes" else state)


def changes_text(done: StaffAction) -> str:
    """Write what is different: " (balance 100 → 150)"."""
    names = [name for name in done.after if name in done.before and done.before[name] != done.after[name]]
    texts = [f"{in_words(name).lower()} {as_text(done.before[name])} → {as_text(done.after[name])}" for name in names]
    return f" ({', '.join(texts)})" if texts else ""


def as_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in value) or "nothing"
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and text.lstrip("-").replace(".", "").isdigit() else text


# --- Actions ------------------------------------------------------------------------------------------------------


class EndSession(Action):
    """Sign them out of one device."""

    slug = "end-session"
    title = "End the session"
    right = "users.end_session"
    needs_target = True
    is_dangerous = True

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(["This device is signed out at once. They can sign in again with their password."])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        session_id = int(form.target) if form.target.isdigit() else 0
        services.end_sessions_by_staff(staff=staff, user=form.user, session_id=session_id, now=form.now)
        return "The session has ended."


class EndAllSessions(Action):
    """Sign them out everywhere."""

    slug = "end-sessions"
    title = "End all sessions"
    right = "users.end_session"
    is_dangerous = True

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return bool(selectors.list_sessions(user=user, limit=1))

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        count = len(selectors.list_sessions(user=form.user, limit=1000))
        return Preview(
            ["Every device is signed out at once, the desktop app as well."], [("Sessions", str(count), "0")]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        ended = services.end_sessions_by_staff(staff=staff, user=form.user, session_id=None, now=form.now)
        return f"{ended} sessions have ended." if ended != 1 else "The session has ended."


class ViewAs(Action):
    """Read the account pages as they see them, for 60 minutes; nothing can be done there."""

    slug = "view-as"
    title = "See what they see"
    right = services.VIEW_AS

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return not user.is_staff and not selectors.is_erased(user_id=user.pk)

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(["For 60 minutes your own account pages show theirs, to read only. It is written down."])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        view = services.view_as(staff=staff, user=form.user, now=form.now)
        return f"Open /account: until {view.ends_at:%H:%M} UTC it shows what {view.whom.email} sees."


class RevokeKey(Action):
    """End one of their API keys."""

    slug = "revoke-key"
    title = "Revoke the API key"
    right = "users.revoke_key"
    needs_target = True
    is_dangerous = True

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        found = services.find_own_key(user=form.user, key_id=form.target)
        return f"“{found.name}” ({found.prefix})"

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        found = services.find_own_key(user=form.user, key_id=form.target)
        return Preview([f"“{found.name}” ({found.prefix}) is refused from now on, for good. They can make another."])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        found = services.find_own_key(user=form.user, key_id=form.target)
        services.revoke_key_by_staff(staff=staff, key_id=found.pk, now=form.now)
        return f"{found.prefix} is revoked."


class ResendVerification(Action):
    """Mail them a link that confirms their address."""

    slug = "resend-verification"
    title = "Resend verification"
    right = "users.resend_verification"

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return not selectors.has_verified_email(user)

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview([f"A mail goes to {form.user.email}, with a link that confirms the address for 3 days."])

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        sent_to = services.resend_verification_by_staff(staff=staff, user=form.user, now=form.now)
        return f"A link is on its way to {sent_to}."


class RemoveSecondFactor(Action):
    """Let in somebody who has lost their phone, by their password alone."""

    slug = "remove-second-factor"
    title = "Remove second factor"
    right = "users.remove_second_factor"
    is_dangerous = True

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return selectors.count_second_factors(user) > 0

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(
            [
                "From now on their password alone signs them in: authenticator app, passkeys and recovery codes go.",
                "They are told by mail. Staff make a new one before the back-office opens to them.",
            ],
            [("Second factors", str(selectors.count_second_factors(form.user)), "0")],
            warning="Be sure that it is really them: call back by a number that you know.",
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        services.remove_second_factor_by_staff(staff=staff, user=form.user, now=form.now)
        return f"{form.user.email} logs in with the password alone."


class HandOut(Action):
    """Take along everything that is held about them, as they can themselves."""

    slug = "hand-out-data"
    title = "Hand out their data"
    right = "users.hand_out_data"
    hint = "For somebody who asks for it and cannot log in. Give it to nobody but them."

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return not selectors.is_erased(user_id=user.pk)

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(
            [
                f"Everything that is held about {form.user.email} comes as one JSON file, the same as in the app.",
                "That you took it is written down.",
            ]
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> Document:
        services.hand_out_by_staff(staff=staff, user=form.user, now=form.now)
        content = backoffice.write_everything(user=form.user, now=form.now)
        return Document("smartspec-personal-data.json", "application/json", content)


class Erase(Action):
    """Take away everything personal."""

    slug = "erase"
    title = "Erase personal data"
    right = "users.erase_user"
    is_dangerous = True

    def is_offered(self, *, user: User, now: datetime) -> bool:
        return not user.is_staff and not selectors.is_erased(user_id=user.pk)

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        return Preview(
            [
                "At once: they are signed out everywhere, their keys end, nobody can log in as them, and no job"
                " can spend their credits.",
                "Soon after: their subscription is cancelled without money back, their media is deleted, and name,"
                " e-mail and all else that is personal goes, here and at Stripe.",
                "The ledger's rows stay, under an account that is nobody's.",
            ],
            warning=f"{form.user.email} is forgotten for good. Nobody can undo this.",
        )

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str:
        services.erase_by_staff(staff=staff, user=form.user, now=form.now)
        return "The erasure has begun."


ACTIONS = (
    *(ViewAs(), ResendVerification(), EndAllSessions(), RemoveSecondFactor(), HandOut(), Erase()),
    *(EndSession(), RevokeKey()),
)
for order, action in enumerate(ACTIONS):
    backoffice.actions.add(action, name=action.slug, right=action.right, order=80 + order)
