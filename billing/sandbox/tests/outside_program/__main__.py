"""Live through everything, one sentence each."""

import argparse
import sys
from collections.abc import Callable

from . import __doc__ as description
from .changes import anchors, behaviours, prorations
from .lives import clocks, dunning, endings, incomplete, renewal, schedules, trials
from .money import balances, cards, coupons, money_back, restrictions
from .world import Untrue, World

SCENARIOS: tuple[Callable[[World], str], ...] = (
    clocks,
    renewal,
    dunning,
    incomplete,
    endings,
    trials,
    schedules,
    prorations,
    behaviours,
    anchors,
    coupons,
    restrictions,
    cards,
    money_back,
    balances,
)


def main() -> int:
    """Live through every scenario; exit code 1 at the first untruth."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="where Stripe's API is: the sandbox's address, or https://api.stripe.com")
    parser.add_argument("--key", default="sk_test_outsideprogram0000000000", help="the secret key, of a test mode")
    parser.add_argument("--only", choices=[scenario.__name__ for scenario in SCENARIOS], help="one scenario alone")
    options = parser.parse_args()
    world = World(options.base.rstrip("/"), options.key)
    for scenario in SCENARIOS:
        if options.only in (None, scenario.__name__):
            try:
                sys.stdout.write(f"{scenario(world)}\n")
            except Untrue as untrue:
                sys.stderr.write(f"{scenario.__name__} ({scenario.__doc__}): {untrue}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
