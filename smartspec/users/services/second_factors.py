"""Second factors while Django's key is rolled."""

from collections.abc import Iterator

from allauth.mfa.models import Authenticator
from django.db import transaction

from smartspec.users import encryption

# Where allauth keeps what only the person and we may know. A passkey's public half is no secret.
SECRET_FIELDS = {Authenticator.Type.TOTP: ("secret",), Authenticator.Type.RECOVERY_CODES: ("seed", "migrated_codes")}


def reencrypt_second_factors() -> Iterator[tuple[Authenticator, bool]]:
    """This will encrypt the secrets of all second factors under the present key, and yield each with whether it could
    be read. Run again, it changes nothing that matters.
    """
    keys = Authenticator.objects.filter(type__in=SECRET_FIELDS).order_by("pk").values_list("pk", flat=True)
    for pk in list(keys):
        with transaction.atomic():
            # A recovery code that is used at this moment is marked in the same field.
            found = Authenticator.objects.select_for_update(of=("self",)).select_related("user").filter(pk=pk).first()
            if found is not None:
                yield found, reencrypt(found)


def reencrypt(authenticator: Authenticator) -> bool:
    """Encrypt one anew and save it; False, and nothing changed, when no key of ours reads it."""
    changed = dict(authenticator.data)
    try:
        for field in SECRET_FIELDS[Authenticator.Type(authenticator.type)]:
            kept = changed.get(field)
            if isinstance(kept, list):
                changed[field] = [encryption.reencrypt(one) for one in kept]
            elif kept is not None:
                changed[field] = encryption.reencrypt(kept)
    except encryption.Unreadable:
        return False
    authenticator.data = changed
    authenticator.save(update_fields=["data"])
    return True
