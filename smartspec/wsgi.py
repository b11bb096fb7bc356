"""The web server's door. It refuses to open with half of a service's settings, or onto a database of other settings."""

import os
from io import StringIO

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "smartspec.settings")

application = get_wsgi_application()
call_command("check", tags=["security"], stdout=StringIO())
call_command("check", databases=["default"], tags=["database"], stdout=StringIO())
