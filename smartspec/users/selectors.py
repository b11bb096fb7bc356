"""Reads about people."""

from allauth.account.models import EmailAddress

from smartspec.users.models import User


def has_verified_email(user: User) -> bool:
    """Tell whether the address that the user logs in with has been confirmed."""
    return EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()
