import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from credits import selectors
from smartspec.commands import find_user_id, progress_on


class Command(BaseCommand):
    help = "Recompute every account from its entries, lots and holds; exit 1 and name the first fault of each kind."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="one account alone: the user's id or e-mail address")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")

    def handle(self, *args: Any, **options: Any) -> None:
        first: dict[str, selectors.Fault] = {}
        counts: dict[str, int] = {}
        accounts = 0
        show = progress_on(self.stderr)
        batches = (
            [(1, selectors.verify_account(account_id=find_user_id(options["account"])))]
            if options["account"]
            else selectors.verify_ledger()
        )
        for size, faults in batches:
            accounts += size
            for fault in faults:
                first.setdefault(fault.fault, fault)
                counts[fault.fault] = counts.get(fault.fault, 0) + 1
            show(f"{accounts} accounts")
        show("")
        if options["json"]:
            found = [
                {
                    "account_id": str(fault.account_id),
                    "fault": fault.fault,
                    "number": fault.number,
                    "found": fault.found,
                    "expected": fault.expected,
                    "count": counts[fault.fault],
                }
                for fault in first.values()
            ]
            self.stdout.write(json.dumps({"accounts": accounts, "faults": found}))
        else:
            for fault in first.values():
                self.stdout.write(f"{fault} ({counts[fault.fault]} of this kind)")
            self.stdout.write(f"{accounts} accounts verified, {sum(counts.values())} faults.")
        if first:
            sys.exit(1)
