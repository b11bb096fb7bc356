"""Cancelling a subscription in the portal, and saying why."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from billing.sandbox import presentation
from billing.sandbox.errors import StripeError
from billing.sandbox.pages import responses, timing
from billing.sandbox.pages.portal import visits
from billing.sandbox.services import portal

LONGEST_COMMENT = 500
# Stripe's values of `cancellation_details[feedback]`, and how its portal words them.
REASONS = {
    "too_expensive": "It's too expensive",
    "missing_features": "Some features are missing",
    "switched_service": "I'm switching to a different service",
    "unused": "I don't use the service enough",
    "customer_service": "Customer service was less than expected",
    "too_complex": "Ease of use was less than expected",
    "low_quality": "Quality was less than expected",
    "other": "Other reason",
}


@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, secret: str, subscription_id: str) -> HttpResponse:
    """One subscription, to be cancelled: where the flow `subscription_cancel` begins."""
    session = visits.find(secret)
    if session is None:
        return visits.show_unknown(request)
    found = visits.find_subscription(session, subscription_id)
    if found is None:
        return visits.show_gone(request, session)
    rule = portal.get_configuration(session)["features"]["subscription_cancel"]
    reasons = rule["cancellation_reason"]["options"] if rule["cancellation_reason"]["enabled"] else []
    after = visits.after_flow(session, secret, kind="subscription_cancel", notice="cancel")
    if request.method == "POST":
        try:
            given = request.POST.get("reason", "")
            portal.cancel_subscription(
                session=session,
                subscription_id=subscription_id,
                feedback=given if given in reasons else None,
                comment=request.POST.get("comment", "").strip()[:LONGEST_COMMENT] if reasons else None,
                now=timing.now_of(session["id"]),
            )
            return responses.Leave(after)
        except StripeError as error:
            return responses.show_message(
                request, "This did not work", error.message, back_url=visits.return_url(session)
            )
    plan = visits.build_plan(found)
    back_url, back_label = visits.way_back(session, secret)
    consequence = (
        "It ends at once."
        if rule["mode"] == "immediately"
        else f"It stays yours until {presentation.format_day(plan.period_end)}, and you are not charged again."
    )
    context = {
        "plan": plan,
        "back_url": back_url,
        "back_label": back_label,
        "consequence": consequence,
        "reasons": [(name, REASONS[name]) for name in reasons],
    }
    return responses.show(request, "portal_cancel.html", context, leads_to=after if "://" in after else None)
