# `make` prints this list. CI runs the same targets.

.DEFAULT_GOAL := help
.PHONY: help run ui test e2e e2e-ui bench lint check

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ui ## build and start the server
	cargo run --release --bin rcsd

# The browser app, embedded into rcsd by the next `cargo build`. Needs Node; built anew only when its sources changed.
UI := src/ui
E2E_UI := tests/e2e/ui
UI_SOURCES := $(shell find $(UI) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.rs' -not -name page.html)

ui: ## build the browser app
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(UI)/dist/embedded.in; \
	else echo "NOT BUILT: the browser app needs Node (npm); rcsd serves a page that says so" >&2; fi

$(UI)/dist/embedded.in: $(UI_SOURCES) $(UI)/node_modules/.package-lock.json
	cd $(UI) && npm run --silent check && npm run --silent build

$(UI)/node_modules/.package-lock.json: $(UI)/package-lock.json
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

test: ## unit and integration tests, and the two pure floors by themselves
	cargo test --no-default-features --lib
	cargo test

# The proxies of ops/ as Debian packages them, unpacked here and installed nowhere.
PROXIES := target/proxies
PROXY_PROGRAMS := $(PROXIES)/usr/sbin/nginx $(PROXIES)/usr/bin/caddy

# Kills the real server a thousand times. The number is in RCS_KILLS, the moments follow RCS_SEED (printed). The build is
# the one of `make test`: what is killed matters, not how fast it was. tests/e2e/run.sh
# installs what it needs by itself, from npm, and needs node 20 or later: the Durable Streams conformance suite with that
# protocol's own client, and agents on the official ACP SDK.
e2e: ## the long runs against the real server
	@cargo test --test it -- --list | grep -q '^kill::' || { echo "there is no kill run in tests/it" >&2; exit 1; }
	RCS_KILLS=$${RCS_KILLS:-1000} cargo test --test it -- kill:: --nocapture
	RCS_ACP_AGENTS=$${RCS_ACP_AGENTS:-100} RCS_ACP_VIEWERS=$${RCS_ACP_VIEWERS:-10} cargo test --test it -- acp:: --nocapture
	@mkdir -p $(PROXIES) && ls $(PROXY_PROGRAMS) >/dev/null 2>&1 || \
	{ cd $(PROXIES) && apt-get download nginx caddy && for package in *.deb; do dpkg-deb -x $$package .; done; } || true
	@if $(PROXIES)/usr/sbin/nginx -v && $(PROXIES)/usr/bin/caddy version; \
	then RCS_PROXIES=$(PROXIES) cargo test --test it -- proxies:: --ignored; \
	else echo "NOT CHECKED: ops/nginx and ops/caddy (their Debian packages could not be unpacked here)" >&2; fi
	RCS_STREAM_KILLS=$${RCS_STREAM_KILLS:-100} cargo test --test it -- streams::exactly_once --nocapture
	tests/e2e/run.sh streams
	tests/e2e/run.sh acp
	$(MAKE) e2e-ui

# Chromium comes with the distribution, where it may be installed from here; the rest comes with npm. Pictures of every
# screen are left in target/e2e-ui/shots.
e2e-ui: ui
	@command -v chromium chromium-browser google-chrome >/dev/null || test -n "$$CHROMIUM" \
	|| { apt-get update && apt-get install -y --no-install-recommends chromium; }
	cargo build --bin rcsd
	cd $(E2E_UI) && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error && npx playwright test

bench: ## the budgets, each beside the raw limit measured in the same run
	cargo bench --bench budgets

# Each door between the floors is tried by itself: an import through a closed one is a compile error.
check: ## compile every combination of features that is meant to stand alone
	cargo check --no-default-features --lib
	cargo check --no-default-features --features journal --lib
	cargo check --no-default-features --features server --lib --bin rcsd
	cargo check --no-default-features --features ctl --lib --bin rcsctl
	cargo check --no-default-features --features agent --lib --bin rcs-agent

# cargo-deny takes minutes to build, so lint uses it where it is and says where it is not.
lint: check ## formatting, clippy, documentation, licences and advisories
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --no-default-features --lib -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --no-deps --lib --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "NOT CHECKED: licences and advisories (cargo install cargo-deny --locked)" >&2; fi
