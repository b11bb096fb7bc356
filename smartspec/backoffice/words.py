"""What contributions are made of. Every `tone` is one of "", success, info, primary, warning, danger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from smartspec.users.models import StaffReason, User
from smartspec.users.services import Staff


@dataclass(frozen=True)
class Figure:
    """A number on the home page, ready to be read: "$1,234.00", "1,204"."""

    label: str
    value: str
    hint: str = ""
    url: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Fact:
    """What stands at the top of a person's page."""

    label: str
    value: str
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Chart:
    """A bar for each label, in a colour for each series."""

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[Decimal]]


@dataclass(frozen=True)
class Task:
    """Something that needs a person: how many there are, and where they are seen to."""

    label: str
    count: int
    url: str
    hint: str = ""
    tone: str = "warning"


@dataclass(frozen=True)
class Hit:
    """A person whom a search found, and by what."""

    user_id: UUID
    found_by: str


@dataclass(frozen=True)
class Link:
    """A page elsewhere, such as Stripe's dashboard."""

    label: str
    url: str


@dataclass(frozen=True)
class Line:
    """What happened to a person at a moment, for the timeline. `credits` is signed."""

    at: datetime
    title: str
    detail: str = ""
    credits: Decimal | None = None
    url: str = ""
    tone: str = ""


@dataclass(frozen=True)
class ActionLink:
    """A cell of a panel that leads to an action about `target`; whoever may not do it does not see it."""

    slug: str
    target: str
    text: str


@dataclass(frozen=True)
class Alert:
    """What is the matter with a person's account, in a sentence that can be repeated to them; where it is looked at,
    and the action that puts it right."""

    text: str
    url: str = ""
    action: ActionLink | None = None
    tone: str = "warning"


@dataclass(frozen=True)
class Panel:
    """A table on a person's page. Cells are text, made safe by whoever wrote them, or lead to actions."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "None."
    hint: str = ""
    template: str = "admin/backoffice/table.html"
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        """Where it stands on the page."""
        return slugify(self.title)


@dataclass(frozen=True)
class Preview:
    """What an action will do, as sentences, and what will be different: (what, before, after)."""

    sentences: Sequence[str]
    changes: Sequence[tuple[str, str, str]] = ()
    warning: str = ""


@dataclass(frozen=True)
class Document:
    """What an action hands out: a file for the agent to save."""

    name: str
    content_type: str
    content: Iterable[str]


class ReasonForm(forms.Form):
    """What staff are asked whatever they do: a reason out of the list, and a note."""

    reason = forms.ChoiceField(choices=[("", "Choose …"), *StaffReason.choices], widget=UnfoldAdminSelectWidget)
    note = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What the next person should know: the ticket, what was promised. It is kept for good: name nobody.",
    )


class ActionForm(ReasonForm):
    """What every action asks for. An action adds its own fields, which stand before the reason and the note."""

    def __init__(self, *args: Any, user: User, target: str, now: datetime, **kwargs: Any) -> None:
        """`target` is what of the person's the action is about, such as a purchase's id; empty: the person."""
        super().__init__(*args, **kwargs)
        self.user, self.target, self.now = user, target, now
        own = [name for name in self.fields if name not in ("reason", "note")]
        self.order_fields([*own, "reason", "note"])


class Action:
    """Something that staff do to a person, on a page of its own: form, preview, one service call.

    `perform` is called once per click at most with the same `key`, so it may be given as an idempotency key. What a
    service refuses (a DomainError) is shown to the agent as a sentence.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    right: ClassVar[str]
    hint: ClassVar[str] = ""
    form_class: ClassVar[type[ActionForm]] = ActionForm
    needs_target: ClassVar[bool] = False  # then links to it stand in panels, not in the list of actions
    is_dangerous: ClassVar[bool] = False

    def is_offered(self, *, user: User, now: datetime) -> bool:
        """Tell whether the list of actions shows it for this person."""
        return not self.needs_target

    def initial(self, *, user: User, target: str, now: datetime) -> Mapping[str, Any]:
        """Return what the form is filled with at first."""
        return {}

    def about(self, *, form: ActionForm, staff: Staff) -> str:
        """Return what the form's target is, in words, for an agent who is about to fill it in."""
        return ""

    def preview(self, *, form: ActionForm, staff: Staff) -> Preview:
        """Return what would happen. `form` is valid and names person, target and time. Nothing is changed."""
        raise NotImplementedError

    def perform(self, *, form: ActionForm, staff: Staff, key: str) -> str | Document:
        """This will do it by one service call, and return the sentence that tells what was done, or what it is for."""
        raise NotImplementedError


def wide(text: str) -> SafeString:
    """Return a cell of a panel whose text may take several lines."""
    return format_html('<span class="bo-wrap">{}</span>', text)
