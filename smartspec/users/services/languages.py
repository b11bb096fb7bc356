"""The language that a person reads."""

from smartspec.users.models import User


def set_language(*, user: User, language: str) -> None:
    """This will note the language (`en`, `th`) in which a person wants their mail."""
    User.objects.filter(pk=user.pk).exclude(language=language).update(language=language)
    user.language = language
