# `make help` lists what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# What production looks like to the checks; the values are placeholders of the right form.
PRODUCTION_LIKE := SMARTSPEC_ENVIRONMENT=production SMARTSPEC_SITE_URL=https://pay.example.com \
	SMARTSPEC_ALLOWED_HOSTS=pay.example.com SMARTSPEC_OPERATOR_EMAILS=ops@example.com \
	EMAIL_URL=smtp+tls://user:password@mail.example.com:587 \
	SMARTSPEC_SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
	SMARTSPEC_ADDRESS_HASH_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))') \
	DATABASE_URL=postgres://user:password@db.example.com/smartspec \
	SMARTSPEC_ALLOW_TEST_KEYS=true STRIPE_SECRET_KEY=sk_test_000000000000000000000000 STRIPE_PUBLISHABLE_KEY=pk_test_000000000000000000000000 \
	STRIPE_WEBHOOK_SECRET=whsec_placeholder STRIPE_PRICE_PRO_MONTHLY=price_1 STRIPE_PRICE_PRO_YEARLY=price_2 \
	STRIPE_PRICE_ENTERPRISE_MONTHLY=price_3 STRIPE_PRICE_ENTERPRISE_YEARLY=price_4 \
	CLOUDFLARE_R2_ACCESS_KEY_ID=placeholder CLOUDFLARE_R2_SECRET_ACCESS_KEY=placeholder \
	CLOUDFLARE_R2_BUCKET_NAME=placeholder CLOUDFLARE_R2_ENDPOINT=https://account.r2.cloudflarestorage.com

.PHONY: help install run test test-long test-orders test-faults lint audit lock format bench bench-admin bench-history bench-http bench-media

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install: .venv/installed-dev ## build .venv with everything for development

run: .venv/installed ## serve the whole product on this machine until Ctrl-C
	@exec $(BIN)/python manage.py run_local

test: .venv/installed-dev ## every test, on two processes
	$(BIN)/pytest -q -n 2 --dist loadgroup -m "not long and not faults and not browser and not serial"
	$(BIN)/pytest -q -n 2 --dist loadfile -m "browser and not long and not faults"  # apart: the driver leaves an event loop in its process
	$(BIN)/pytest -q -m "serial and not long and not faults"

test-long: .venv/installed-dev ## the tests that take minutes, half an hour to an hour in all
	$(BIN)/pytest -q -m "long and not orders and not browser"
	$(BIN)/pytest -q -n 2 --dist loadfile -m "long and browser"  # every story on the screens that make test leaves out

test-orders: .venv/installed-dev ## every life's events in every order, or two thousand of them: one to two hours
	$(BIN)/pytest -q -m orders

test-faults: .venv/installed-dev ## everything is killed while a crowd buys and works
	$(BIN)/pytest -q -s -m faults

lint: .venv/installed-dev ## ruff, mypy, bandit, migrations, deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml smartspec credits billing media manage.py
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION_LIKE) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

audit: .venv/installed-dev requirements-audit.txt ## look every pin up among known vulnerabilities (needs the network)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-audit.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r requirements.txt -r requirements-dev.txt

lock: .venv/installed-dev ## write requirements.lock anew: every pin of requirements.txt with its hashes (needs the network)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BIN)/uv pip compile --quiet --no-config --no-deps --generate-hashes --no-annotate --custom-compile-command "make lock" \
		requirements.txt --output-file requirements.lock

format: .venv/installed-dev ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/installed-bench: .venv/installed-dev requirements-bench.txt
	-$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

bench: .venv/installed-bench ## measure; nothing in it can fail a test
	$(BIN)/python manage.py bench_ledger

bench-admin: .venv/installed-dev ## measure the back-office with 100,000 people and more than 5,000,000 entries
	$(BIN)/python manage.py bench_admin

bench-history: .venv/installed-dev ## measure the account pages of somebody with 1,000,000 transactions beside somebody with 100
	$(BIN)/python manage.py bench_history

bench-http: .venv/installed-dev ## measure the product over HTTP: load, webhook intake, a burst of webhooks, memory
	$(BIN)/python manage.py bench_http

bench-media: .venv/installed-dev ## measure signing, listing 100,000 assets and billing 100,000 accounts
	$(BIN)/python manage.py bench_media
