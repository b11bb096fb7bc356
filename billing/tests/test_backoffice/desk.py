"""What tests of the back-office share: its roles, its actions, and somebody of staff with a browser."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.test import Client
from rest_framework.test import APIClient

from billing import gateway, services
from billing.models import Purchase
from billing.tests.conftest import open_credits, pay
from billing.tests.test_admin import client_of
from credits import services as credits_services
from smartspec import clock
from smartspec.testing import make_user
from smartspec.users import keys
from smartspec.users import services as users_services
from smartspec.users.models import ApiKey, User

ROLES = ("Support", "Billing", "Auditor", "Admin")
WHY = {"reason": "customer_asked", "note": "Ticket 7"}
# What an action's form needs besides the reason; and who may do it.
ACTIONS: dict[str, tuple[dict[str, str], set[str]]] = {
    "accept-purchase": ({}, {"Billing", "Admin"}),
    "adjust-credits": ({"direction": "give", "credits": "7"}, {"Support", "Billing", "Admin"}),
    "freeze": ({}, {"Billing", "Admin"}),
    "thaw": ({"cause": "staff"}, {"Billing", "Admin"}),
    "release-hold": ({}, {"Support", "Billing", "Admin"}),
    "approve-adjustment": ({}, {"Billing", "Admin"}),
    "reject-adjustment": ({}, {"Billing", "Admin"}),
    "sync-from-stripe": ({}, {"Support", "Billing", "Admin"}),
    "cancel-subscription": ({"when": "period_end"}, {"Billing", "Admin"}),
    "reactivate-subscription": ({}, {"Billing", "Admin"}),
    "refund-invoice": ({"amount": ""}, {"Billing", "Admin"}),
    "refund-purchase": ({"amount": ""}, {"Billing", "Admin"}),
    "resend-fulfilment": ({}, {"Support", "Billing", "Admin"}),
    "resend-verification": ({}, {"Support", "Billing", "Admin"}),
    "remove-second-factor": ({}, {"Admin"}),
    "erase": ({}, {"Admin"}),
    "hand-out-data": ({}, {"Admin"}),
    "end-sessions": ({}, {"Support", "Billing", "Admin"}),
    "end-session": ({}, {"Support", "Billing", "Admin"}),
    "view-as": ({}, {"Support", "Billing", "Admin"}),
    "revoke-key": ({}, {"Support", "Billing", "Admin"}),
}


def staff_client(role: str) -> Client:
    """Return the browser of a member of staff with a role."""
    user = make_user(f"{role.lower()}@staff.test", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return client_of(user)


def page_of(user: User, action: str = "") -> str:
    return f"/admin/people/{user.pk}/" + (f"{action}/" if action else "")


def text_of(answer: Any) -> str:
    """Return what a reader sees of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def do(client: Client, user: User, action: str, target: str = "", **fields: str) -> Any:
    """Fill in an action's form, preview, confirm; return the answer to the preview and the page that follows."""
    content = {"key": str(uuid4()), "target": target, **WHY, **fields}
    preview = client.post(page_of(user, action), content | {"preview": "1"})
    return preview, client.post(page_of(user, action), content | {"confirm": "1"}, follow=True)


def make_key(user: User) -> ApiKey:
    new = keys.make_key(keys.USER_KIND)
    return ApiKey.objects.create(
        user=user, name="script", prefix=new.prefix, digest=new.digest, scopes=["read"], created_at=clock.now()
    )


def bring_about(user: User, action: str, client: APIClient, now: datetime) -> str:
    """Bring about what the action needs, and return what it is about."""
    match action:
        case "thaw":
            credits_services.freeze(account_id=user.pk, cause="staff", now=now)
        case "release-hold":
            credits_services.grant(account_id=user.pk, kind="bonus", credits=Decimal(9), source="1", now=now)
            return credits_services.place_hold(
                account_id=user.pk, operation="image_generation", reference_id="1", idempotency_key="1", now=now
            ).id
        case "approve-adjustment" | "reject-adjustment":
            asker = make_user(f"asker-{action}@staff.test", is_staff=True)
            asker.groups.add(Group.objects.get(name="Support"))
            staff = users_services.Staff(asker, None, "goodwill", "Ticket 8")
            return str(
                credits_services.adjust_by_staff(
                    staff=staff, account_id=user.pk, credits=Decimal(5000), key=uuid4(), now=now
                ).pk
            )
        case "cancel-subscription" | "reactivate-subscription" | "refund-invoice":
            session = client.post("/api/payment/checkout/subscription", {"plan": "pro"}).json()["session_id"]
            pay(session)
            services.settle_session(session_id=session, now=now)
            if action.startswith("reactivate"):
                subscription = client.get("/api/payment/subscription").json()["id"]
                services.cancel_subscription(user=user, subscription_id=subscription, at_period_end=True, now=now)
            if action == "refund-invoice":
                return str(gateway.retrieve_checkout_session(session)["invoice"])
        case "refund-purchase" | "resend-fulfilment" | "accept-purchase":
            session = open_credits(client)
            pay(session)
            if action.startswith("accept"):
                Purchase.objects.update(price_cents=890)
            if not action.startswith("resend"):
                services.settle_session(session_id=session, now=now)
            return str(Purchase.objects.get(session_id=session).pk)
        case "resend-verification":
            user.emailaddress_set.update(verified=False)  # type: ignore[attr-defined]
        case "remove-second-factor":
            TOTP.activate(user, generate_totp_secret())
        case "end-session" | "end-sessions":
            return str(UserSession.objects.create(user=user, ip="127.0.0.1", session_key=f"session-{action}").pk)
        case "revoke-key":
            return str(make_key(user).pk)
    return ""
