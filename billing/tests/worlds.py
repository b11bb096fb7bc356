"""Snapshots of a test's database that are put back in milliseconds, and a Stripe that answers from memory.

A copy of the template database takes a tenth of a second, and a rolled-back savepoint shows nothing to a second
connection. Thousands of lives with two connections each need neither: the few rows that a life writes are kept in a
schema beside the tables, and put back in one statement.
"""

from collections.abc import Sequence

from django.db import connection

from billing.sandbox.client import Answered, InProcessClient

# What a life writes. The catalogue, people and sessions stay as they are.
BOOKS = (
    "billing_customer", "billing_purchase", "billing_subscription", "billing_subscriptioncheckout",
    "billing_planchange", "billing_paidinvoice", "billing_refund", "billing_dispute", "billing_clawback",
    "billing_reconcilerun", "credits_account", "credits_grant", "credits_hold", "credits_entry", "credits_entrytotal",
    "credits_adjustment", "credits_keyrecord", "credits_usageday", "credits_freeallowanceaddress", "users_sentmail",
    "users_waitingmail",
)  # fmt: skip
STRIPE = ("billing_sandbox_storedobject", "billing_sandbox_idempotentrequest", "billing_sandbox_delivery")
MACHINE = ("billing_sandbox_clockoffset", "procrastinate_events", "procrastinate_jobs")


class Snapshot:
    """How some tables were at one moment."""

    def __init__(self, name: str, tables: Sequence[str]) -> None:
        """Take it. `name` is the schema's: a small word of our own."""
        self.name = name
        statements = [f"CREATE SCHEMA {name}"]
        # The ledger refuses to forget: its triggers, and the checks of references, look away while rows are put back.
        back = ["SET LOCAL session_replication_role = replica"]
        for table in tables:
            columns = ", ".join(self.columns_of(table))
            statements.append(f"CREATE TABLE {name}.{table} AS SELECT {columns} FROM {table}")
            back.append(f"DELETE FROM {table}")
            back.append(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {name}.{table}")
        self.sql = "; ".join(["BEGIN", *back, "COMMIT"])
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))

    def columns_of(self, table: str) -> list[str]:
        """Return the columns that are written and not computed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT quote_ident(column_name) FROM information_schema.columns WHERE table_schema = 'public'"
                " AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position",
                [table],
            )
            return [name for (name,) in cursor.fetchall()]

    def put_back(self) -> None:
        """Make the tables what they were."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql)

    def drop(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP SCHEMA {self.name} CASCADE")


class StripeSnapshot(Snapshot):
    """How Stripe was at one moment, and what it has answered since about that."""

    def __init__(self, name: str) -> None:
        super().__init__(name, STRIPE)
        self.answers: Answers = {}

    def put_back(self) -> None:
        super().put_back()
        remember(self.answers)


class RememberingStripe(InProcessClient):
    """The sandbox; what was read stays known until something is written, and of a snapshot for ever."""

    name = "remembering-stripe"

    def answer(self, method: str, url: str, headers: dict[str, str], body: str) -> Answered:
        if method != "GET":
            remember({})
            try:
                return super().answer(method, url, headers, body)
            finally:
                remember({})
        known = _answers  # a read that is under way while something is written fills the memory of before
        found = known.get(url)
        if found is None:
            found = known[url] = super().answer(method, url, headers, body)
        return found


Answers = dict[str, Answered]
_answers: Answers = {}


def remember(answers: Answers) -> None:
    """Let these be the answers that are known."""
    global _answers
    _answers = answers
