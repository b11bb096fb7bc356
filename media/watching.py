"""What operators are told of the bucket."""

from datetime import datetime

from django.conf import settings

from media.storage import check_ready
from smartspec import watching
from smartspec.errors import DomainError
from smartspec.watching import Condition


@watching.condition
def bucket(now: datetime) -> Condition:
    """Files can be stored and read."""
    name = settings.CLOUDFLARE_R2_BUCKET_NAME or "none"
    try:
        check_ready()
    except DomainError as error:
        remedy = "Check the CLOUDFLARE_R2_* variables, and https://www.cloudflarestatus.com."
        return Condition("bucket", holds=False, detail=f"{name}: {error.code}", remedy=remedy)
    return Condition("bucket", holds=True, detail=f"{name} answers")
