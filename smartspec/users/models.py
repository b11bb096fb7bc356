"""People: who they are. What they own lives in the apps."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy

from smartspec import clock
from smartspec.users import keys


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a person who logs in by `email`; without a password they can only reset it."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an operator with every right in the admin."""
        return self.create_user(email, password, **(fields | {"is_staff": True, "is_superuser": True}))

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


# What breaks a line, or turns the direction of what is read after it: a name stands in the middle of sentences.
one_line = RegexValidator(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]",
    gettext_lazy("A name is one line, without control characters."),
    code="not_one_line",
    inverse_match=True,
)


class User(AbstractBaseUser, PermissionsMixin):
    """A person: a customer, or a member of staff. Log-in is by e-mail, compared without case."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150, blank=True, validators=[one_line])
    language = models.CharField(max_length=10, choices=settings.LANGUAGES, default="en", help_text="of their mail")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    # Read here, since Django and allauth make the row: Free's months are counted from it.
    created_at = models.DateTimeField(default=clock.now, editable=False)

    is_service: ClassVar[bool] = False

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        permissions = (
            ("end_session", "Can end a person's sessions"),
            ("resend_verification", "Can send a link that confirms an address"),
            ("erase_user", "Can erase a person's data"),
            ("view_as_person", "Can read the account pages of a person"),
            ("remove_second_factor", "Can remove a lost second factor"),
            ("hand_out_data", "Can take along everything that is held about a person"),
        )
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_unique_without_case"),)
        indexes = (
            GinIndex(SearchVector("name", config="simple"), name="user_name_words"),
            models.Index(fields=("-created_at",), name="user_newest"),
            *(
                models.Index(fields=("-created_at",), condition=models.Q(**{flag: value}), name=name)
                for name, flag, value in (
                    ("user_staff", "is_staff", True),
                    ("user_superuser", "is_superuser", True),
                    ("user_deactivated", "is_active", False),
                )
            ),
        )

    def __str__(self) -> str:
        return self.email


class Erasure(models.Model):
    """A person who asked to be forgotten. From then on nobody logs in as them; a job takes away what is theirs."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.PROTECT, related_name="erasure")
    requested_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, help_text="when everything personal was gone")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=True) | models.Q(finished_at__gte=models.F("requested_at")),
                name="erasure_finished_after_it_was_asked_for",
            ),
        )

    def __str__(self) -> str:
        return f"erasure of {self.user_id}"


class SentMail(models.Model):
    """A mail that was written, so that no cause is told twice. It has left unless it waits or was given up."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    template = models.CharField(max_length=60)
    cause = models.CharField(max_length=200)
    sent_at = models.DateTimeField()
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "template", "cause"), name="sent_mail_once_per_cause"),)
        indexes = (models.Index(fields=("cause",), name="sent_mail_by_cause"),)

    def __str__(self) -> str:
        return f"{self.template} to {self.user_id} for {self.cause}"


class WaitingMail(models.Model):
    """What a mail says, until the mail server has taken it."""

    sent = models.OneToOneField(SentMail, on_delete=models.CASCADE, primary_key=True, related_name="waiting")
    subject = models.TextField()
    text = models.TextField()
    html = models.TextField()
    written_at = models.DateTimeField()
    try_at = models.DateTimeField(null=True)  # none: was not tried yet
    away_at = models.DateTimeField(null=True)  # when there was no mail server for it; not: when it was refused

    def __str__(self) -> str:
        return f"waits: {self.sent_id}"


class SupportView(models.Model):
    """Whose account pages a member of staff reads, and until when. That it began is kept as a StaffAction."""

    staff = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    whom = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    ends_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.staff_id} reads as {self.whom_id} until {self.ends_at}"


class ApiKey(models.Model):
    """A key that a program calls the API with: a service's (no user), or a person's own. Only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=20, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=30))
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        permissions = (("revoke_key", "Can revoke a person's API keys"),)
        constraints = (
            models.CheckConstraint(condition=models.Q(scopes__len__gt=0), name="api_key_has_scopes"),
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=list(keys.SERVICE_SCOPES)), name="api_key_scopes_are_known"
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(scopes__contained_by=list(keys.USER_SCOPES)),
                name="api_key_of_a_person_never_spends",
            ),
            models.CheckConstraint(condition=models.Q(digest__regex="^[0-9a-f]{64}$"), name="api_key_digest_is_sha256"),
            models.CheckConstraint(
                condition=models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=models.F("created_at")),
                name="api_key_expires_after_it_began",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class WebSessionLink(models.Model):
    """A link that opens the account pages signed in: once, and for a minute. Only the token's digest is kept."""

    digest = models.CharField(primary_key=True, max_length=64, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    next_path = models.CharField(max_length=200)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link of {self.user_id} until {self.expires_at}"


class LogInPlace(models.Model):
    """A network that a person has logged in from, so that a log-in from another can be told to them."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False, related_name="+")
    network = models.CharField(max_length=43, help_text="as 203.0.113.0/24")
    last_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "network"), name="log_in_place_once"),)
        indexes = (models.Index(fields=("last_at",), name="log_in_place_oldest"),)

    def __str__(self) -> str:
        return f"{self.user_id} from {self.network}"


class RateCount(models.Model):
    """How many calls a caller made in the present window. The table is unlogged: losing it costs nothing."""

    key = models.CharField(primary_key=True, max_length=120)
    window_number = models.BigIntegerField()
    calls = models.BigIntegerField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key}: {self.calls}"


class StaffReason(models.TextChoices):
    """Why staff do what they do."""

    CUSTOMER_ASKED = "customer_asked", "The customer asked for it"
    PAID_NOT_CREDITED = "paid_not_credited", "Paid, and got nothing"
    WORTHLESS_OUTPUT = "worthless_output", "A job's output was worthless"
    GOODWILL = "goodwill", "Goodwill"
    MISTAKE = "mistake", "Our mistake, put right"
    DUPLICATE = "duplicate", "Paid or given twice"
    FRAUD = "fraud", "Fraud or abuse"
    DISPUTE = "dispute", "A dispute or chargeback"
    LEGAL = "legal", "The law asks for it"
    OTHER = "other", "Something else (see the note)"


class StaffAction(models.Model):
    """One thing that a member of staff did. The database refuses to change or delete it."""

    actor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", help_text="who did it")
    action = models.CharField(max_length=60, help_text="what was done")
    whom = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, db_index=False, related_name="+", help_text="to whom"
    )
    reference_type = models.CharField(max_length=60, blank=True, help_text="what it was done to: a purchase, a webhook")
    reference_id = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=30, choices=StaffReason.choices)
    note = models.TextField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    address = models.GenericIPAddressField(null=True, help_text="where they did it from")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(reason__in=StaffReason.values), name="staff_action_reason_out_of_the_list"
            ),
            models.CheckConstraint(condition=~models.Q(note=""), name="staff_action_has_a_note"),
        )
        indexes = (
            models.Index(fields=("whom", "-created_at"), name="staff_action_by_whom"),
            models.Index(fields=("-created_at",), name="staff_action_newest"),
            models.Index(fields=("action", "-created_at"), name="staff_action_by_action"),
            models.Index(fields=("reason", "-created_at"), name="staff_action_by_reason"),
            models.Index(fields=("reference_id",), name="staff_action_by_reference"),
        )

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_id}"
