"""What the sandbox remembers: Stripe's objects, answers to idempotent requests, and deliveries of events."""

from typing import ClassVar

from django.db import models


class StoredObject(models.Model):
    """One object as Stripe shows it (`data`), what Stripe keeps to itself (`private`), and the columns to find it by.

    `number` is the order in which objects were made and settles lists of objects made within the same second.
    """

    number = models.BigAutoField(primary_key=True)
    id = models.CharField(max_length=255, unique=True)
    kind = models.CharField(max_length=60)
    created = models.BigIntegerField()
    customer = models.CharField(max_length=64, default="", blank=True)
    subscription = models.CharField(max_length=64, default="", blank=True)
    invoice = models.CharField(max_length=64, default="", blank=True)
    payment_intent = models.CharField(max_length=64, default="", blank=True)
    status = models.CharField(max_length=64, default="", blank=True)
    name = models.CharField(max_length=255, default="", blank=True)  # a lookup key, a promotion code, an event's type
    clock = models.CharField(max_length=64, default="", blank=True)  # the test clock that this object lives by
    due_at = models.DateTimeField(null=True, blank=True)  # when time next changes this object by itself
    is_deleted = models.BooleanField(default=False)
    data = models.JSONField()
    private = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=~models.Q(id=""), name="sandbox_object_has_id")]
        indexes: ClassVar = [
            models.Index(fields=["kind", "-created", "-number"], name="sandbox_kind"),
            models.Index(fields=["customer", "kind"], name="sandbox_customer", condition=~models.Q(customer="")),
            models.Index(
                fields=["subscription", "kind"], name="sandbox_subscription", condition=~models.Q(subscription="")
            ),
            models.Index(fields=["invoice", "kind"], name="sandbox_invoice", condition=~models.Q(invoice="")),
            models.Index(
                fields=["payment_intent", "kind"], name="sandbox_intent", condition=~models.Q(payment_intent="")
            ),
            models.Index(fields=["kind", "name"], name="sandbox_name", condition=~models.Q(name="")),
            models.Index(fields=["clock", "due_at"], name="sandbox_due", condition=models.Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class IdempotentRequest(models.Model):
    """The answer that was given to one `Idempotency-Key`, for 24 hours."""

    key = models.CharField(max_length=255, unique=True)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=255)
    parameters_sha256 = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    request_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"


class Delivery(models.Model):
    """One event on its way to one webhook endpoint."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up"
        DROPPED = "dropped"  # lost on purpose

    event = models.ForeignKey(StoredObject, on_delete=models.CASCADE, to_field="id", related_name="deliveries")
    endpoint = models.ForeignKey(StoredObject, on_delete=models.CASCADE, to_field="id", related_name="+")
    state = models.CharField(max_length=20, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    latest_status = models.PositiveSmallIntegerField(null=True, blank=True)
    latest_answer = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    latest_attempt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="sandbox_one_delivery_per_endpoint")
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id}: {self.state}"


class WebhookFault(models.Model):
    """Webhooks of one type, or of all, that go wrong on purpose: the next `remaining` ones, or every one (None)."""

    class Effect(models.TextChoices):
        DUPLICATE = "duplicate"
        REORDER = "reorder"
        DELAY = "delay"
        DROP = "drop"

    effect = models.CharField(max_length=20, choices=Effect.choices)
    event_type = models.CharField(max_length=255, default="*")
    remaining = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        count = "every" if self.remaining is None else f"the next {self.remaining}"
        late = f" by {self.seconds} s" if self.seconds else ""
        return f"{self.effect} {count} {self.event_type}{late}"


class ClockOffset(models.Model):
    """How far the clock of this machine was moved, in seconds: one row, or none where it never was."""

    seconds = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(id=1), name="sandbox_one_clock_offset")]

    def __str__(self) -> str:
        return f"{self.seconds} s"
