"""What `manage.py bench_ledger` measures, and how. `plan.py` is the list of measures; start there."""
