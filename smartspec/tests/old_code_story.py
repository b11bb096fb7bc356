"""A day with code of another age: somebody signs up, pays and spends, while the worker does all that it does.

`test_old_code.py` gives it to a process in which whatever else is imported is the old code. It keeps to what does not
change: addresses, commands, the queue.
"""

import os
import re
from typing import Any

import django

PASSWORD = "correct horse, battery staple"
AUTH = "/api/auth/app/v1"
CARD = {
    "email": "carol@smartspec.test",
    "billingName": "Carol",
    "cardNumber": "4242424242424242",
    "cardExpiry": "12 / 34",
    "cardCvc": "123",
}


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "smartspec.settings"
    django.setup()
    prepare()
    is_ready()
    carol = sign_up()
    buy(carol, "credits", credits_amount=100)
    work()
    assert available(carol) == 10 + 105, "Free's, and what was paid"
    spend(carol)
    assert available(carol) == 114, "one job of three was paid"
    buy(carol, "subscription", plan="pro")
    work()
    assert available(carol) == 614
    upgrade(carol)
    work()
    assert available(carol) == 5114
    see_the_account(carol)
    do_what_is_due()
    is_ready()


def prepare() -> None:
    """Let mail and webhooks stay in this process, and dj-stripe's tables be made by the migration that made them."""
    from django.conf import settings
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    setup_test_environment()
    settings.STRIPE_SANDBOX_TRANSPORT = "billing.sandbox.delivery.post_in_process"
    settings.MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}
    call_command("seed_sandbox", verbosity=0)


def is_ready() -> None:
    from django.test import Client

    answer = Client().get("/readyz")
    assert answer.status_code == 200, answer.content


def sign_up() -> Any:
    """Sign up and confirm the address, as the desktop app does; return Carol's client."""
    from django.core import mail
    from rest_framework.test import APIClient

    person = {"email": CARD["email"], "password": PASSWORD, "name": "Carol"}
    token = APIClient().post(f"{AUTH}/auth/signup", person, format="json").json()["meta"]["session_token"]
    carol = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    code = re.search(r"^[A-Z0-9]{4}-?[A-Z0-9]{4}$", str(mail.outbox[0].body), re.MULTILINE)
    assert code, mail.outbox[0].body
    answer = carol.post(f"{AUTH}/auth/email/verify", {"key": code.group()}, format="json")
    assert answer.status_code == 200, answer.content
    return carol


def buy(carol: Any, what: str, **body: Any) -> None:
    """Buy something on the hosted page."""
    from django.test import Client

    answer = carol.post(f"/api/payment/checkout/{what}", body, format="json")
    assert answer.status_code == 200, answer.content
    paid = Client().post(f"/sandbox/stripe/checkout/{answer.json()['session_id']}", CARD)
    assert paid.status_code == 303, paid.content


def upgrade(carol: Any) -> None:
    subscription = carol.get("/api/payment/subscription").json()
    change = {"subscription_id": subscription["id"], "new_plan": "enterprise", "new_interval": "monthly"}
    answer = carol.post("/api/payment/subscription/change-plan", change, format="json")
    assert answer.status_code == 200, answer.content


def spend(carol: Any) -> None:
    """Three jobs: one is paid, one is not, and one is paid and was worthless."""
    from io import StringIO

    from django.core.management import call_command
    from rest_framework.test import APIClient

    key = StringIO()
    call_command("create_service_key", "--name=worker", "--scopes=credits:spend", stdout=key, stderr=StringIO())
    worker = APIClient(HTTP_AUTHORIZATION=f"Api-Key {key.getvalue().strip()}")
    order = {"user_id": carol.get("/api/me").json()["id"], "operation": "image_generation", "reference_id": "job"}
    bodies = {"extend": {"ttl_seconds": 1200}, "refund": {"reason": "black"}}
    for number, verbs in enumerate((("extend", "capture"), ("release",), ("capture", "refund"))):
        headers = {"Idempotency-Key": str(number)}
        held = worker.post("/api/credits/holds", order, format="json", headers=headers)
        assert held.status_code == 201, held.content
        for verb in verbs:
            hold = f"/api/credits/holds/{held.json()['id']}/{verb}"
            answer = worker.post(hold, bodies.get(verb), format="json", headers=headers)
            assert answer.status_code == 200, answer.content


def available(carol: Any) -> Any:
    return carol.get("/api/credits/balance").json()["available_credits"]


def see_the_account(carol: Any) -> None:
    """Look at the account's pages in the browser."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    browser = Client()
    browser.force_login(get_user_model().objects.get(email=CARD["email"]))
    for path in ("/account", "/account/transactions", "/account/plans", "/account/buy", "/account/billing"):
        page = browser.get(path)
        assert page.status_code == 200, (path, page.status_code, page.content)
    assert b"5,114" in browser.get("/account").content


def do_what_is_due() -> None:
    """Let the worker do every periodic task once."""
    from procrastinate.contrib.django import app

    tasks = {periodic.task.name: periodic.task for periodic in app.periodic_registry.periodic_tasks.values()}
    assert len(tasks) > 15
    for task in tasks.values():
        task.configure(queueing_lock=None).defer(timestamp=0)
    work()


def work() -> None:
    """Let the worker work off the queue; nothing of it may fail."""
    from django.core.management import call_command
    from procrastinate.contrib.django.models import ProcrastinateJob

    from smartspec.models import JobFailure

    while ProcrastinateJob.objects.filter(status="todo", scheduled_at=None).exists():
        call_command("procrastinate", "worker", "--one-shot", verbosity=0)
    assert list(JobFailure.objects.values_list("error", "traceback")) == []
    given_up = ProcrastinateJob.objects.filter(status="failed")
    assert not given_up, [(job.task_name, job.args) for job in given_up]


if __name__ == "__main__":
    main()
