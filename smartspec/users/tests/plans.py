"""A catalogue of two plans in the place of the app that knows plans, which the ground does not import."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Plan:
    slug: str
    features: list[str]


@dataclass(frozen=True)
class PlanState:
    plan: str


PLANS = {"free": Plan("free", ["image_generation"]), "pro": Plan("pro", ["image_generation", "api_access"])}
on_pro: set[UUID] = set()


def get_plan_state(*, account_id: UUID, now: datetime) -> PlanState:
    """Return the plan that a test gave to somebody, else Free."""
    return PlanState("pro" if account_id in on_pro else "free")


def get_plan(slug: str) -> Plan:
    """Return a plan of the catalogue."""
    return PLANS[slug]
