"""What staff change about packages. A purchase keeps what was quoted."""

from datetime import datetime

from billing.models import Package
from smartspec.users import services as users_services
from smartspec.users.services import Staff


def save_package(*, staff: Staff, package: Package, now: datetime) -> None:
    """This will put a package on sale, or change what is on sale.

    :raises users_services.NotPermitted, users_services.ReasonMissing: see `users_services.record_action`.
    """
    users_services.save_by_staff(staff=staff, row=package, now=now)
