"""Break each rule in turn and see that the test bearing its number fails: ``make mutants``.

``mutants.yaml`` names the patches. Each is made on a temporary copy of the sources, never on the
tree, and the tests chosen for it run against that copy. A mutant is caught when a test whose name
holds its number fails; one that survives, or a patch that no longer applies, fails the whole.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
FILE = Path(__file__).with_name("mutants.yaml")
WORKERS = 2
TEST_SECONDS_MAX = 60
FAILED = re.compile(r"^FAILED \S+?::(\w+)", re.MULTILINE)
TESTS_FAILED, NO_TESTS = 1, 5


@frozen
class Mutant:
    """``number`` of the rule or fault; ``tests`` are the files that hold its test."""

    number: str
    rule: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    only: str

    @property
    def mark(self) -> str:
        """What the name of its test holds."""
        return f"_{self.number.lower().replace(' ', '_')}_"


@frozen
class Result:
    mutant: Mutant
    is_caught: bool
    told: str
    seconds: float


def read_mutants() -> list[Mutant]:
    return [
        Mutant(
            number=str(given["number"]),
            rule=given["rule"],
            file=file,
            find=given["find"],
            replace=given.get("replace", ""),
            tests=tuple(str(given["tests"]).split()),
            only=given.get("only", ""),
        )
        for file, patches in yaml.safe_load(FILE.read_text()).items()
        for given in patches
    ]


@frozen
class Copy:
    """A copy of the sources that one worker breaks and mends."""

    folder: Path

    def run(self, mutant: Mutant) -> Result:
        started = time.monotonic()
        path = self.folder / "pepeunit" / mutant.file
        whole = path.read_text()
        if whole.count(mutant.find) != 1:
            told = f"the patch fits {whole.count(mutant.find)} places of {mutant.file}"
            return Result(mutant, False, told, 0)
        try:
            self._write(path, whole.replace(mutant.find, mutant.replace))
            is_caught, told = self._tests(mutant)
        finally:
            self._write(path, whole)
        return Result(mutant, is_caught, told, time.monotonic() - started)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # Two texts of one length in one second look the same to the bytecode cache.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)

    def _tests(self, mutant: Mutant) -> tuple[bool, str]:
        wanted = mutant.mark + (f" and {mutant.only}" if mutant.only else "")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-rf", "--tb=no", "-k", wanted]
        command += ["-p", "no:cacheprovider", f"--timeout={TEST_SECONDS_MAX // 2}", *mutant.tests]
        environment = os.environ | {
            "PYTHONPATH": str(self.folder),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "hypothesis"),
        }
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TEST_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, f"its tests took over {TEST_SECONDS_MAX} s"
        if done.returncode == NO_TESTS:
            return False, f"no test is named {mutant.mark}"
        if done.returncode == 0:
            return False, "survived"
        failed = [name for name in FAILED.findall(done.stdout) if mutant.mark in name]
        if done.returncode != TESTS_FAILED or not failed:
            lines = (done.stdout + done.stderr).strip().splitlines()
            return False, f"pytest ended with {done.returncode}: {lines[-1] if lines else ''}"
        return True, failed[0]


def run_all(mutants: Sequence[Mutant]) -> list[Result]:
    """Each mutant on the copy of whichever worker is free; one line as each is known."""
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    results: list[Result] = []

    def work(folder: Path) -> None:
        shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        while True:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            result = Copy(folder).run(mutant)
            results.append(result)
            show(result)

    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        workers = [
            threading.Thread(target=work, args=(Path(place) / str(number),))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return results


def show(result: Result) -> None:
    mutant, verdict = result.mutant, "caught" if result.is_caught else "NOT CAUGHT"
    line = f"{mutant.number:<12}{verdict:<12}{result.seconds:5.1f} s  {mutant.rule}"
    sys.stdout.write(f"{line} · {result.told}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose number or file holds one")
    words = parser.parse_args().words
    mutants = [
        mutant
        for mutant in read_mutants()
        if not words or any(word in (mutant.number, *mutant.file.split("/")) for word in words)
    ]
    started = time.monotonic()
    results = run_all(mutants)
    left = [result for result in results if not result.is_caught]
    numbers = len({result.mutant.number for result in results})
    sys.stdout.write(
        f"\n{len(results) - len(left)} of {len(mutants)} mutants caught, {numbers} numbers, "
        f"{time.monotonic() - started:.0f} s\n"
    )
    for result in left:
        show(result)
    return 1 if left or len(results) < len(mutants) else 0


if __name__ == "__main__":
    sys.exit(main())
