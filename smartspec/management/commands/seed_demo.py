"""`manage.py seed_demo`: the demo people of a machine of one's own."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from smartspec.commands import number_from
from smartspec.users.models import User

DEMO_PEOPLE: dict[str, dict[str, Any]] = {
    "demo@smartspec.test": {"password": "demo-pass-4242", "name": "Demo"},
    "support@smartspec.test": {"password": "support-pass-4242", "name": "Support", "is_staff": True},
    "billing@smartspec.test": {"password": "billing-pass-4242", "name": "Billing", "is_staff": True},
    "auditor@smartspec.test": {"password": "auditor-pass-4242", "name": "Auditor", "is_staff": True},
    "admin@smartspec.test": {
        "password": "admin-pass-4242",
        "name": "Admin",
        "is_staff": True,
        "is_superuser": True,
    },
}


class Command(BaseCommand):
    help = (
        "Create the demo people (a customer; support, billing, an auditor and an administrator of the staff) with"
        " verified addresses, and print their log-ins. Safe to run again: who exists is left alone. Refused in"
        " production."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--users", type=number_from(1), help="also make so many people in every state (takes minutes)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo people have public passwords and are never created in production.")
        for email, fields in DEMO_PEOPLE.items():
            with transaction.atomic():
                if not User.objects.filter(email=email).exists():
                    user = User.objects.create_user(email, **fields)
                    if user.is_staff and not user.is_superuser:
                        user.groups.set(Group.objects.filter(name=user.name))  # they are named by their role
                    address = EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
                    # What follows when a person confirms their address follows here too (Free's credits, say).
                    email_confirmed.send(sender=EmailAddress, request=None, email_address=address)
            self.stdout.write(f"{email} / {fields['password']}")
        if options.get("users"):
            call_command("seed_crowd", users=options["users"], stdout=self.stdout)
