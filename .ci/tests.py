#!/usr/bin/env python3
"""Builds all test binaries and runs them, several at a time.

`cargo test` runs one binary after the other, each with as many threads as there are processors. Most tests here wait:
for a round to end, for a lease to run out, for a server to start. So the binaries run beside each other and with more
threads. The tests that keep the machine busy stand in tests/it/alone.txt; they run last, one at a time, with no other
test beside them.

  --quick            only the tests of the packages that need no server
  --beside COMMAND   runs this command at idle priority beside the tests, and beside the last ones too if it lasts so
                     long: it gets what they leave of the processors; its failure is a failure of the run
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

ALONE = "tests/it/alone.txt"
QUICK = {"accounts", "cheers", "engine", "fetch", "files", "game", "kind", "lunch", "rooms", "serve", "wire"}
# These tests are not run: the one writes pictures into docs. Any other that is ignored is a failure.
IGNORED = {"tests browser::screenshots::pictures_of_the_page"}
# `servers::skipped` writes into the file that this variable names.
SKIPPED = "TESTS_SKIPPED"
SLOWEST = 10
PROCESSORS = len(os.sched_getaffinity(0))
# A test of the running binary is idle for most of its time, and the tests of that package last the longest.
THREADS = {"tests": 2 * PROCESSORS}

EVENT = '{ "type": "'

started = time.monotonic()
printing = threading.Lock()
took = []  # (seconds, test)
ignored = []  # the tests
skipped = []  # the lines that say so
failures = []  # (what failed, its output)
parts = []  # (seconds, part of the run)


def say(text):
    with printing:
        print(text, flush=True)


def lasted(part, since):
    parts.append((time.monotonic() - since, part))
    say(f"-- {part}: {parts[-1][0]:.0f} s")


def attempt(what, work, *arguments):
    """Does a part of the run. An error in it is a failure that is reported, and does not keep the others from being."""
    try:
        work(*arguments)
    except Exception:
        failures.append((what, traceback.format_exc()))


class Binary:
    def __init__(self, artifact):
        self.path = artifact["executable"]
        self.folder = os.path.dirname(artifact["manifest_path"])
        self.package = os.path.basename(self.folder)
        listed = self.command("--list", "--format", "terse")
        output = subprocess.run(listed, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout
        self.tests = [line.removesuffix(": test") for line in output.splitlines() if line.endswith(": test")]

    def command(self, *arguments):
        return [self.path, *arguments]

    def run(self, tests, threads):
        """Runs these tests and notes how each ended: one of which nothing is heard has failed."""
        if not tests:
            return
        command = self.command("-Zunstable-options", "--format=json", "--report-time", f"--test-threads={threads}")
        command += ["--exact", *tests]
        # The harness reports the duration of a test only if unstable options are allowed.
        environment = {**os.environ, "CARGO_MANIFEST_DIR": self.folder, "RUSTC_BOOTSTRAP": "1"}
        ends, said = {}, []
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            for line in process.stdout:
                text, event = self.heard(line)
                said += [text] if text.strip() else []
                if event.get("type") == "test" and event.get("event") in ("ok", "failed", "ignored"):
                    ends[event["name"]] = event["event"]
                    self.ended(event)
        missing = sorted(set(tests) - ends.keys())
        for test in missing:
            failures.append((f"{self.package} {test}", f"it did not end: its process did, with {process.returncode}\n"))
        if missing or process.returncode != (101 if "failed" in ends.values() else 0):
            failures.append((f"the process of {self.package}", f"exit {process.returncode}\n{''.join(said)}"))

    def heard(self, line):
        """What a line says: text of a child of a test, which may stand around an event, and the event."""
        text, found, _ = line.partition(EVENT)
        if not found:
            return text, {}
        try:
            event, end = json.JSONDecoder().raw_decode(line, len(text))
        except ValueError:
            failures.append((f"an event of {self.package}", f"it cannot be read: {line}"))
            return line, {}
        return text + line[end:], event

    def ended(self, event):
        seconds, test = event.get("exec_time", 0.0), f"{self.package} {event['name']}"
        say(f"{event['event']:7} {seconds:7.2f} s  {test}")
        if event["event"] == "ignored":
            ignored.append(test)
            if test not in IGNORED:
                failures.append((test, "it is ignored, and .ci/tests.py does not name it as one that may be\n"))
            return
        took.append((seconds, test))
        if event["event"] == "failed":
            failures.append((test, event.get("stdout", "")))


def build():
    since = time.monotonic()
    command = ["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    tests = [it for it in messages if it["reason"] == "compiler-artifact" and it["profile"]["test"] and it["executable"]]
    lasted("build", since)
    return [Binary(artifact) for artifact in tests]


def beside(command):
    since = time.monotonic()
    # Uses only idle CPU time: any other runnable process goes first.
    done = subprocess.run(["chrt", "--idle", "0", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    say(done.stdout.rstrip())
    skipped.extend(line for line in done.stdout.splitlines() if line.startswith("skipped: "))
    lasted(shlex.join(command), since)
    if done.returncode != 0:
        failures.append((shlex.join(command), done.stdout))


def documentation():
    command = ["cargo", "test", "--workspace", "--locked", "--doc", "--quiet"]
    if subprocess.run(command).returncode != 0:
        failures.append((shlex.join(command), "its output stands above\n"))


def is_alone(test, alone):
    # A parameterized test has one name per value.
    return any(test == name or test.startswith(f"{name}::") for name in alone)


def all_tests(binaries, command):
    with open(ALONE) as file:
        alone = [line.strip() for line in file if line.strip()]
    largest = [binary for binary in binaries if binary.package == "tests"]
    others = [binary for binary in binaries if binary.package != "tests"]
    last = [(binary, [test for test in binary.tests if is_alone(test, alone)]) for binary in largest]
    unknown = [name for name in alone if not any(is_alone(test, [name]) for _, tests in last for test in tests)]
    if unknown:
        sys.exit(f"{ALONE} names tests that are not there: {', '.join(unknown)}")

    def run(binaries):
        for binary in binaries:
            tests = [test for test in binary.tests if binary in others or not is_alone(test, alone)]
            attempt(f"running {binary.package}", binary.run, tests, THREADS.get(binary.package, PROCESSORS))

    since = time.monotonic()
    with ThreadPoolExecutor() as pool:
        lints = [pool.submit(attempt, shlex.join(command), beside, command)] if command else []
        for lane in [pool.submit(run, lane) for lane in (largest, others)]:
            lane.result()
        lasted("tests beside each other", since)
        since = time.monotonic()
        for binary, tests in last:
            attempt(f"running {binary.package}", binary.run, tests, 1)
        lasted("tests alone", since)
        for lane in lints:
            lane.result()
    attempt("the examples in the documentation", documentation)


def quick_tests(binaries):
    binaries = [binary for binary in binaries if binary.package in QUICK]
    for package in sorted(QUICK - {binary.package for binary in binaries}):
        failures.append((package, "no binary is of this package, which QUICK in .ci/tests.py names\n"))
    for binary in binaries:
        attempt(f"running {binary.package}", binary.run, binary.tests, 2 * PROCESSORS)


def report():
    if not took:
        failures.append(("the run", "not one test ran\n"))
    print(f"\nThe {SLOWEST} slowest tests:")
    for seconds, test in sorted(took, reverse=True)[:SLOWEST]:
        print(f"{seconds:7.1f} s  {test}")
    for what, output in failures:
        print(f"\nFAILED: {what}\n{output}", end="")
    counted = (f"{len(took)} tests ran", f"{len(ignored)} ignored", f"{len(skipped)} checks skipped")
    print(f"\n{', '.join(counted)}, {len(failures)} failures, {time.monotonic() - started:.0f} s in all")
    for test in ignored:
        print(f"ignored: {test}")
    for line, times in sorted(Counter(skipped).items()):
        print(f"{line} ({times} times)" if times > 1 else line)
    for seconds, part in parts:
        print(f"{seconds:7.1f} s  {part}")
    for what, _ in failures:
        print(f"FAILED: {what}")
    return 1 if failures else 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--beside", metavar="COMMAND", type=shlex.split)
    options = options.parse_args()
    with tempfile.NamedTemporaryFile("r", prefix="skipped-", errors="replace") as lines:
        os.environ[SKIPPED] = lines.name
        binaries = build()
        attempt("the run", *((quick_tests, binaries) if options.quick else (all_tests, binaries, options.beside)))
        skipped.extend(lines.read().splitlines())
    sys.exit(report())


main()
