#!/usr/bin/env python3
"""Builds all test binaries and runs them, several at a time.

`cargo test` runs one binary after the other, each with as many threads as there are processors. Most tests here wait:
for a round to end, for a lease to run out, for a server to start. So the binaries run beside each other and with more
threads. The tests that keep the machine busy stand in tests/it/alone.txt; they run last, one at a time, with nothing
beside them.

  --quick            only the tests of the packages that need no server
  --beside COMMAND   runs this command at idle priority beside the tests; its failure is a failure of the run
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

ALONE = "tests/it/alone.txt"
QUICK = {"engine", "fetch", "files", "game", "serve", "wire"}
SLOWEST = 10
PROCESSORS = len(os.sched_getaffinity(0))
# A test of the running binary is idle for most of its time, and the tests of that package last the longest.
THREADS = {"tests": 2 * PROCESSORS}

started = time.monotonic()
printing = threading.Lock()
took = []  # (seconds, package, test)
failures = []  # (what failed, its output)
parts = []  # (seconds, part of the run)


def say(text):
    with printing:
        print(text, flush=True)


def lasted(part, since):
    parts.append((time.monotonic() - since, part))
    say(f"-- {part}: {parts[-1][0]:.0f} s")


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
        # The harness tells how long a test took only where unstable options are allowed.
        environment = {**os.environ, "CARGO_MANIFEST_DIR": self.folder, "RUSTC_BOOTSTRAP": "1"}
        with subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            missing, said = set(tests), []
            for line in process.stdout:
                # What a child of a test prints may stand before an event.
                text, found, event = line.partition('{ "type": "')
                event = json.loads(found + event) if found else {}
                said += [text] if text.strip() else []
                if event.get("type") == "test" and event["event"] in ("ok", "failed", "ignored"):
                    missing.discard(event["name"])
                    self.ended(event)
        for test in sorted(missing):
            failures.append((f"{self.package} {test}", f"it did not end: its process did, with {process.returncode}\n"))
        if missing or process.returncode not in (0, 101):
            failures.append((f"the process of {self.package}", f"exit {process.returncode}\n{''.join(said)}"))

    def ended(self, event):
        seconds = event.get("exec_time", 0.0)
        took.append((seconds, self.package, event["name"]))
        say(f"{event['event']:7} {seconds:7.2f} s  {self.package} {event['name']}")
        if event["event"] == "failed":
            failures.append((f"{self.package} {event['name']}", event.get("stdout", "")))


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
    # Only what the tests leave of the processors: any other process that can run goes first.
    done = subprocess.run(["chrt", "--idle", "0", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    say(done.stdout.rstrip())
    lasted(shlex.join(command), since)
    if done.returncode != 0:
        failures.append((shlex.join(command), done.stdout))


def documentation():
    command = ["cargo", "test", "--workspace", "--locked", "--doc", "--quiet"]
    if subprocess.run(command).returncode != 0:
        failures.append((shlex.join(command), "its output stands above\n"))


def is_alone(test, alone):
    # A test with several values has a name for each of them.
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
            binary.run(tests, THREADS.get(binary.package, PROCESSORS))

    since = time.monotonic()
    with ThreadPoolExecutor() as pool:
        lints = [pool.submit(beside, command)] if command else []
        for lane in [pool.submit(run, lane) for lane in (largest, others)]:
            lane.result()
        lasted("tests beside each other", since)
        since = time.monotonic()
        for binary, tests in last:
            binary.run(tests, 1)
        lasted("tests alone", since)
        for lane in lints:
            lane.result()
    documentation()


def report(binaries):
    print(f"\nThe {SLOWEST} slowest tests:")
    for seconds, package, test in sorted(took, reverse=True)[:SLOWEST]:
        print(f"{seconds:7.1f} s  {package} {test}")
    for what, output in failures:
        print(f"\nFAILED: {what}\n{output}", end="")
    print(f"\n{len(took)} tests ran, {len(failures)} failures, {time.monotonic() - started:.0f} s in all")
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
    binaries = build()
    if options.quick:
        for binary in binaries:
            if binary.package in QUICK:
                binary.run(binary.tests, 2 * PROCESSORS)
    else:
        all_tests(binaries, options.beside)
    sys.exit(report(binaries))


main()
