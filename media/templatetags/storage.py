"""What media shows on pages of other apps: that storage is not paid."""

from typing import Any

from django import template

from media.selectors import arrears
from smartspec.users.models import User

register = template.Library()


@register.inclusion_tag("media/storage_notice.html", takes_context=True)
def storage_notice(context: template.Context, user: User) -> dict[str, Any]:
    """`{% storage_notice user %}`: what the user owes for stored files, and the button that mends it."""
    request = context["request"]
    if not hasattr(request, "arrears_shown"):  # read once for each request, which may render more than one template
        request.arrears_shown = arrears.find_arrears(user_id=user.pk)
    return {"arrears": request.arrears_shown}
