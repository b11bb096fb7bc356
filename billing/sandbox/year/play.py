"""Playing the year: the seven one after the other, each from the first day on."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from dateutil.relativedelta import relativedelta

from billing.sandbox.services import faults
from billing.sandbox.year import facts, stage, table
from billing.sandbox.year.people import CAST, Part
from billing.sandbox.year.person import Person
from smartspec.users import services as users_services
from smartspec.users.models import User

Say = Callable[[str], object]

PASSWORD = "year-pass-4242"  # noqa: S105 - demo people, on a machine of one's own
# The year ends so long before it is whole: the thirteenth month, and its renewals, come by the ordinary clock.
BEFORE_THE_END = timedelta(hours=2)


class WebhooksDisturbed(RuntimeError):
    """Webhooks go wrong on purpose just now."""


def play(
    *, now: datetime, say: Say, is_short: bool = False, cast: Sequence[Part] = CAST
) -> tuple[list[str], list[str]]:
    """This will play the year before `now` and tell it; returns the people's e-mail addresses and what was wrong.

    With `is_short` only the last table is told.

    :raises WebhooksDisturbed: a fault of `manage.py sandbox webhooks` is in force.
    """
    if faults.list_faults():
        raise WebhooksDisturbed("Webhooks go wrong on purpose. End that first: manage.py sandbox webhooks clear")
    begin = (now + BEFORE_THE_END - relativedelta(years=1)).replace(second=0, microsecond=0)
    accounts = enrol(cast, begin)
    key = users_services.create_service_key(
        name=f"A played year {secrets.token_hex(4)}", scopes=["credits:spend"], now=now
    )
    worker = stage.Caller(f"Api-Key {key.secret}")
    say(f"A year of {len(accounts)} people, {begin:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC.")
    say("Months begin on that day and minute. What happened is told by Stripe's events and the ledger's entries.")
    say(f"They stay: log in as one of them, password {PASSWORD}.")
    wrong: list[str] = []
    founds: list[facts.Found] = []
    with stage.set_up() as queue:
        for number, (part, account) in enumerate(zip(cast, accounts, strict=True), start=1):
            person = Person(account, worker, queue, begin=begin, end=now)
            person.start()
            part.act(person)
            person.finish()
            told = facts.tell(person)
            found = facts.add_up(person, told)
            if not is_short:
                for line in table.write_person(number, part, person, told, found):
                    say(line)
            wrong += [f"{part.name}: {sentence}" for sentence in found.differences(part.expected)]
            founds.append(found)
    users_services.revoke_service_key(prefix_or_name=key.key.prefix, now=now)
    for line in table.write_summary(cast, founds):
        say(line)
    return [account.email for account in accounts], wrong


def enrol(cast: Sequence[Part], begin: datetime) -> list[stage.Account]:
    """Sign them up, and in. Each run has people of its own."""
    run = (
        User.objects.filter(
            email__startswith="year-", email__endswith=f"-{cast[0].name.lower()}@smartspec.test"
        ).count()
        + 1
    )
    return [sign_up(f"year-{run}-{part.name.lower()}@smartspec.test", part.name, begin) for part in cast]


def sign_up(email: str, name: str, begin: datetime) -> stage.Account:
    user = User.objects.create_user(email, PASSWORD, name=name, created_at=begin)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    answer = stage.Caller().post("/api/auth/app/v1/auth/login", {"email": email, "password": PASSWORD})
    token = answer["meta"]["session_token"]
    return stage.Account(user.pk, email, stage.Caller(f"Bearer {token}"))
