# Every target that proves something writes .run/<target>/report.json. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
# Targets share .build and .run: one after another.
.NOTPARALLEL:

# A measurement that ran to its end has passed: the recipe stops at the first that fails.
bench-report = jq -R -s '{ verdict: "pass", results: split("\n") | map(select(. != "")) }' $(1)/results.log >$(1)/report.json

# Private servers, the tests, and a report; the servers end with it, whatever happens. (folder, test targets or suites)
TEST_TARGETS = $(notdir $(wildcard Tests/*Tests))

define run-tests
trap 'tools/services stop $(1)' EXIT
tools/services start $(1)
source $(1)/env
swift build --build-tests
status=0
# A program that crashes tells where in a file of its own: the pipes of `swift test` cut off what comes last.
rm -rf $(1)/crashes
mkdir -p $(1)/crashes
export SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,images=none,output-to=$(CURDIR)/$(1)/crashes/
: >$(1)/tests.log
# One test target after another: tests that wait for something must not share two cores with seven hundred others.
for target in $(2); do
    printf '\n--- %s\n' "$$target" | tee -a $(1)/tests.log
    swift test --skip-build --filter "^$$target" 2>&1 | tee -a $(1)/tests.log || status=$$?
done
passed=$$(grep -oE 'Test run with [0-9]+ tests?.* passed' $(1)/tests.log | grep -oE '[0-9]+' | awk 'NR % 2 == 1 { n += $$1 } END { print n + 0 }')
failed=$$(grep -E '^.{0,8} Test .* failed after' $(1)/tests.log | grep -cv 'Test run with') || true
if ((failed > 0)) && ((status == 0)); then status=1; fi
jq -n --argjson passed "$$passed" --argjson failed "$$failed" --argjson status "$$status" '{ verdict: (if $$status == 0 and $$passed > 0 then "pass" else "fail" end), exit_code: $$status, summary: "\($$passed) passed, \($$failed) failed" }' >$(1)/report.json
# What failed is said once more at the end, where a reader of a long log looks first.
grep -aE '^.{0,8} (Test .* (recorded an issue|failed after)|Suite .* failed)|Fatal error|unexpected signal' $(1)/tests.log | cut -c1-600 | head -60 || true
for crash in $(1)/crashes/*; do
    [[ -s $$crash ]] || continue
    printf '%s\n' "--- $$crash"
    sed '/^Registers:/,$$d' "$$crash" | cut -c1-300 | head -50
    if ((status == 0)); then status=1; fi
done
printf '\n%d passed, %d failed\n' "$$passed" "$$failed"
exit "$$status"
endef

# The tests that run in one process, over a sanitizer's build: the others start programs of the normal build.
# (short name, swiftc's name, flags of the build, environment of the tests)
SANITIZED ?= $(filter-out SystemTests TidyTests DemoTests,$(TEST_TARGETS))
# These abandon tasks that hang, as a killed worker does: what such a task holds looks leaked.
ABANDONING = ProductTests QueueTests SimulatorTests

define run-sanitized
trap 'tools/services stop .run/test-$(1)' EXIT
tools/services start .run/test-$(1)
source .run/test-$(1)/env
ONLY=$$(tr ' ' ',' <<<'$(SANITIZED)') swift build --build-tests --sanitize=$(2) --scratch-path .build-$(1) $(3)
status=0
: >.run/test-$(1)/results.log
for target in $(SANITIZED); do
    code=0
    env $(4) .build-$(1)/debug/cloudoptimPackageTests.xctest --testing-library swift-testing --filter "^$$target" >.run/test-$(1)/$$target.log 2>&1 || code=$$?
    # Swift Testing says "passed" also where the sanitizer found something: its reports and the exit code count.
    reports=$$(grep -acE '(WARNING|ERROR): (Thread|Address|Leak)Sanitizer' .run/test-$(1)/$$target.log) || true
    printf '%-18s exit code %d, %d reports, %s\n' "$$target" "$$code" "$$reports" "$$(grep -aoE 'Test run with .*' .run/test-$(1)/$$target.log | tail -1)" | tee -a .run/test-$(1)/results.log
    ((code == 0 && reports == 0)) || status=1
done
jq -R -s --argjson status "$$status" '{ verdict: (if $$status == 0 then "pass" else "fail" end), results: split("\n") | map(select(. != "")) }' .run/test-$(1)/results.log >.run/test-$(1)/report.json
exit "$$status"
endef

.PHONY: help demo test test-tsan test-asan fuzz load build check format bench bench-quick bench-peers bench-packing bench-fairness bench-scale examples docs chaos chaos-mutants upgrade-check image clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A private world: warnings, a killed worker, a flushed Redis; a cluster's year; a verdict. KEEP=1 leaves it running, SEED=n, PART=1 or 2
	@tools/install
	swift build --product cloudoptim
	swift build --product Demo
	exec .build/debug/Demo

test: ## Builds everything and runs every test on private PostgreSQL, Redis and moto; ends by itself
	@tools/install
	$(call run-tests,.run/test,$(TEST_TARGETS))

test-tsan: ## The tests under ThreadSanitizer, in .build-tsan. SANITIZED=QueueTests runs some of them
	@tools/install
	mkdir -p .run/test-tsan
	# Says what ThreadSanitizer cannot see: the hand-over of a contended Mutex (Tests/Sanitizers/MutexShim.c).
	clang -O2 -shared -fPIC -o .run/test-tsan/MutexShim.so Tests/Sanitizers/MutexShim.c -ldl
	$(call run-sanitized,tsan,thread,,LD_PRELOAD=$(CURDIR)/.run/test-tsan/MutexShim.so TSAN_OPTIONS=exitcode=66)

test-asan: ## The tests under AddressSanitizer (and LeakSanitizer where no task is abandoned), in .build-asan. SANITIZED=QueueTests runs some of them
	@tools/install
	mkdir -p .run/test-asan
	$(call run-sanitized,asan,address,-Xswiftc -use-ld=lld,SWIFT_BACKTRACE=enable=no LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/Sanitizers/leaks.supp ASAN_OPTIONS=detect_leaks=$$([[ ' $(ABANDONING) ' == *" $$target "* ]] && echo 0 || echo 1))

fuzz: ## libFuzzer over every parser of outside bytes. DURATION=s for all together, TARGET=name, SEED=n
	@tools/install
	ONLY=Fuzz swift build --product Fuzz --scratch-path .build-fuzz -Xswiftc -sanitize=fuzzer,address -Xswiftc -DFUZZER -Xswiftc -use-ld=lld
	exec tools/fuzz

load: ## The heavy load tests: 100 interruptions over 100,000 queued jobs, 15,000 events
	@tools/install
	export HEAVY_TESTS=1
	$(call run-tests,.run/load,SystemTests.*HeavyLoadTests)

build: ## Builds everything for debugging, tests included
	@tools/install
	swift build --build-tests

check: ## Style and tidiness: swift-format, shellcheck, and the tests that read the sources
	@tools/install
	swift format lint --strict -r Sources Tests Examples/Sources Examples/Package.swift Package.swift
	if command -v shellcheck >/dev/null; then shellcheck tools/install tools/services tools/fuzz tools/docs tools/benchmarks/install-peers .ci/run docker/make-secrets; fi
	ONLY=TidyTests swift test --scratch-path .build-tidy

format: ## Lays out every Swift file as swift-format wants it
	swift format format -i -r Sources Tests Examples/Sources Examples/Package.swift Package.swift

bench: ## The queue's own figures, release build, about 20 minutes: .run/bench/report.json. PARTS=enqueue,drain,distance,history,kill,pickup,growth, RUNS=n
	@tools/install
	swift build -c release --product QueueBench
	trap 'tools/services stop .run/bench' EXIT
	tools/services start .run/bench
	source .run/bench/env
	PYTHONDONTWRITEBYTECODE=1 python3 tools/benchmarks/bench.py .run/bench

bench-quick: ## The same in a minute, with the debug build, as ratios to pgbench and redis-benchmark: fails on lost jobs, never on time
	@tools/install
	swift build --product QueueBench
	trap 'tools/services stop .run/bench-quick' EXIT
	tools/services start .run/bench-quick
	source .run/bench-quick/env
	PYTHONDONTWRITEBYTECODE=1 QUEUE_BENCH=.build/debug/QueueBench python3 tools/benchmarks/bench.py .run/bench-quick quick

bench-peers: ## Sidekiq, Celery, Dramatiq, Procrastinate, PgQueuer, arq and saq on the same servers, and what a crash costs each. PEERS=a,b PARTS=speed,crash
	@tools/install
	mkdir -p .run/bench-peers
	tools/benchmarks/install-peers .run/bench-peers
	swift build -c release --product QueueBench
	trap 'tools/services stop .run/bench-peers' EXIT
	tools/services start .run/bench-peers
	source .run/bench-peers/env
	PYTHONDONTWRITEBYTECODE=1 python3 tools/benchmarks/peers.py .run/bench-peers

bench-packing: ## Packs a cluster trace, release build: nodes against the lower bound, unplaced pods, evictions. PODS=FILE NODES=FILE
	@tools/install
	pods="$${PODS:-../shared/data/openb/openb_pod_list_default.csv}"
	nodes="$${NODES:-../shared/data/openb/openb_node_list_all_node.csv}"
	for file in "$$pods" "$$nodes"; do
		if [[ ! -r $$file ]]; then
			echo "bench-packing: $$file is not there. The trace is openb (alibaba/clusterdata, cluster-trace-gpu-v2023); name yours with PODS=FILE NODES=FILE." >&2
			exit 66
		fi
	done
	mkdir -p .run/bench-packing
	rm -f .run/bench-packing/report.json
	ONLY=PackingBench swift build -c release --product PackingBench --scratch-path .build-packing
	.build-packing/release/PackingBench --pods "$$pods" --nodes "$$nodes" --report .run/bench-packing/report.json

bench-fairness: ## A tenant with JOBS=1000000 queued jobs, another with a hundred: how long these wait, beside first-in-first-out. ONLY=fair or fifo
	@tools/install
	env -u ONLY swift build -c release --product QueueBench  # the package has an ONLY of its own
	trap 'tools/services stop .run/bench-fairness' EXIT
	tools/services start .run/bench-fairness
	source .run/bench-fairness/env
	.build/release/QueueBench fairness "$${JOBS:-1000000}" 100 "$${SLOTS:-96}" | tee .run/bench-fairness/report.json

bench-scale: ## 10,000 clusters on one scheduler, release build: lateness of ticks, CPU, memory. SECONDS_EACH=n, CLUSTERS=a,b
	@tools/install
	swift build -c release --product QueueBench
	trap 'tools/services stop .run/bench-scale' EXIT
	tools/services start .run/bench-scale
	source .run/bench-scale/env
	.build/release/QueueBench scale .run/bench-scale/report.json

examples: ## Builds the example that embeds the queue, as a package of its own, and runs it
	@tools/install
	swift build --package-path Examples --scratch-path .build-examples
	trap 'tools/services stop .run/examples' EXIT
	tools/services start .run/examples
	source .run/examples/env
	EXAMPLE_FRESH=1 .build-examples/debug/ReceiptService | tee .run/examples/results.log
	$(call bench-report,.run/examples)

docs: ## Renders the DocC documentation of the queue's library products into .run/docs; a link that leads nowhere fails
	@tools/install
	swift build
	tools/docs

chaos: ## Attacks the queue with real processes on real servers, then checks its promises. DURATION=s, SEED=n, FAULTS=a,b
	@tools/install
	swift build --product Chaos
	trap 'tools/services stop .run/chaos/servers' EXIT
	rm -f .run/chaos/report.json
	status=0
	.build/debug/Chaos run || status=$$?
	if [[ -s .run/chaos/report.json ]]; then
		jq --argjson status "$$status" '{ verdict: (if $$status == 0 then "pass" else "fail" end) } + .' .run/chaos/report.json >.run/chaos/report.new
		mv .run/chaos/report.new .run/chaos/report.json
	fi
	exit "$$status"

chaos-mutants: ## The same with one guard removed at a time: each must be noticed. SEED=n, MUTANTS=a,b
	@tools/install
	swift build --product Chaos
	trap 'tools/services stop .run/chaos/servers' EXIT
	mkdir -p .run/chaos-mutants
	status=0
	.build/debug/Chaos mutants | tee .run/chaos-mutants/results.log || status=$$?
	jq -R -s --argjson status "$$status" '{ verdict: (if $$status == 0 then "pass" else "fail" end), results: split("\n") | map(select(. != "")) }' .run/chaos-mutants/results.log >.run/chaos-mutants/report.json
	exit "$$status"

upgrade-check: ## Upgrades a fleet at work from OLD=<revision or program>, which it builds, to this one, and back: nothing lost, no attempt burnt
	@tools/install
	swift build --product cloudoptim
	mkdir -p .run/upgrade-check
	rm -f .run/upgrade-check/report.json
	trap 'tools/services stop .run/upgrade-check/servers' EXIT
	tools/services start .run/upgrade-check/servers
	source .run/upgrade-check/servers/env
	PYTHONDONTWRITEBYTECODE=1 tools/upgrade-check "$${OLD:?names a revision, or an older program}"

image: ## Builds the container image cloudoptim:latest (docker/)
	docker build -f docker/Dockerfile -t cloudoptim:latest .

clean: ## Stops private servers and removes what was built, here only
	for pids in .run/*/pids; do if [[ -d $$pids ]]; then tools/services stop "$${pids%/pids}"; fi; done
	rm -rf .build .build-tidy .build-packing .build-examples .build-tsan .build-asan .build-fuzz .run
