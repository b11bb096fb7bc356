"""The product's settings on the bench's database, with one address more: dj-stripe's own webhook view."""

import os

from smartspec.settings import *  # noqa: F403
from smartspec.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["BENCH_DATABASE"]
ROOT_URLCONF = "billing.sandbox.bench.urls"
STRIPE_HTTP_CLIENT = "billing.sandbox.bench.stripe.DistantStripe"
