"""The web server's door. It refuses to open with half of a service's settings, or onto a database of other settings."""

import os
from io import StringIO

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartspec.settings")
django.setup(set_prefix=False)

from smartspec.bodies import Utf8Handler  # noqa: E402 - Django's handler wants the settings

application = Utf8Handler()
call_command("check", tags=["security"], stdout=StringIO())
call_command("check", databases=["default"], tags=["database"], stdout=StringIO())
