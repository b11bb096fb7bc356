"""The languages of the account pages and of mail. The API and the back-office speak English alone."""

from django.conf import settings
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

ENGLISH_PATHS = ("/api/", "/admin/", "/sandbox/")


class PageLanguageMiddleware(LocaleMiddleware):
    """Answers a page in the language that its reader chose, else in one that their browser asks for."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(ENGLISH_PATHS):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
        else:
            super().process_request(request)
