"""django-hordak in a process of its own, with settings of its own: `python -m credits.bench.hordak`.

The first line of its standard input is JSON: `database` (Django's settings of one) and `accounts` (how many). It
answers each further line, `plain|guarded <clients> <seconds>`, with one line of JSON. The product, whose settings know
nothing of hordak, must not import it.
"""

import importlib
import json
import random
import sys
from dataclasses import asdict
from typing import Any

START_BALANCE = 1_000_000_000


def configure(database: dict[str, Any]) -> None:
    """Set Django up for hordak alone, and make its tables."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DEFAULT_CURRENCY="EUR",
        CURRENCIES=["EUR"],
        HORDAK_CURRENCIES=["EUR"],
        HORDAK_MAX_DIGITS=20,
        HORDAK_DECIMAL_PLACES=6,
        USE_TZ=True,
        SECRET_KEY="of no use here",  # noqa: S106
    )
    django.setup()
    call_command("migrate", verbosity=0)


def load(accounts: int) -> tuple[list[int], int]:
    """Make so many accounts with a balance, and the house account that they pay to; return their keys."""
    models = importlib.import_module("hordak.models")
    money = importlib.import_module("moneyed").Money
    kinds = models.AccountType
    house = models.Account.objects.create(name="house", code="h", type=kinds.income, currencies=["EUR"])
    source = models.Account.objects.create(name="source", code="s", type=kinds.equity, currencies=["EUR"])
    with models.Account.objects.disable_mptt_updates():
        models.Account.objects.bulk_create(
            models.Account(
                name=f"account {n}",
                code=f"a{n}",
                type=kinds.liability,
                currencies=["EUR"],
                lft=1,
                rght=2,
                tree_id=n + 100,
                level=0,
            )
            for n in range(accounts)
        )
    keys = list(models.Account.objects.filter(type=kinds.liability).values_list("pk", flat=True))
    first = models.Transaction.objects.create()
    models.Leg.objects.bulk_create(
        [
            *(models.Leg(transaction=first, account_id=key, credit=money(START_BALANCE, "EUR")) for key in keys),
            models.Leg(transaction=first, account=source, debit=money(START_BALANCE * len(keys), "EUR")),
        ]
    )
    return keys, house.pk


def make(kind: str, keys: list[int], house_key: int) -> Any:
    """Return what a client calls: `transfer_to` as it is, or after a lock and a look at the balance."""
    models = importlib.import_module("hordak.models")
    money = importlib.import_module("moneyed").Money
    from django.db import transaction

    def make_step(chance: random.Random) -> Any:
        house = models.Account.objects.get(pk=house_key)

        def plain() -> int:
            account = models.Account.objects.get(pk=chance.choice(keys))
            with transaction.atomic():
                account.transfer_to(house, money(chance.randint(1, 10), "EUR"))
            return 1

        def guarded() -> int:
            amount = money(chance.randint(1, 10), "EUR")
            with transaction.atomic():
                account = models.Account.objects.select_for_update().get(pk=chance.choice(keys))
                if account.get_balance()["EUR"] < amount:
                    raise ValueError("not enough")
                account.transfer_to(house, amount)
            return 1

        return plain if kind == "plain" else guarded

    return make_step


def main() -> None:
    """Answer the parent's questions until it closes the line."""
    arguments = json.loads(sys.stdin.readline())
    configure(arguments["database"])
    keys, house = load(arguments["accounts"])
    from credits.bench.clients import run_clients

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        kind, clients, seconds = line.split()
        answer = run_clients(make(kind, keys, house), clients=int(clients), seconds=float(seconds))
        sys.stdout.write(json.dumps(asdict(answer)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
