"""
Look for inputs that do harm, with libFuzzer and AddressSanitizer.

    python -m fuzz                            # every target, a minute each
    python -m fuzz lines child --minutes 30
    python -m fuzz lines --input crash-1234   # what one input does

The kernel is compiled once more, into a directory of its own, so that every
access out of bounds and every undefined operation ends the process with a
report.  Objects of Python come from malloc, one by one, as small ones are
hidden from the sanitizer otherwise.  Needs a compiler and atheris; what was
found is left in the directory that is named at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
SANITIZE: Final = (
    "-fsanitize=address,undefined -fno-sanitize=alignment,vptr -fno-sanitize-recover=undefined"
    " -fsanitize-coverage=trace-pc,trace-cmp -fno-omit-frame-pointer"
)
SLOWEST: Final = 10
"""Seconds that an input may take, sanitizers and all."""
MOST_MEMORY: Final = 2048
"""MB that the process may grow to."""
LONGEST: Final = 12_000
"""Bytes of an input."""


class CannotFuzz(Exception):
    """
    Something that is needed is not here.
    """


def build(place: Path) -> None:
    """
    Copy the package and compile its kernel with sanitizers.
    """
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        raise CannotFuzz("there is no C compiler")
    print(f"compiling the kernel with sanitizers in {place} ...", flush=True)
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    for part in ("netstream", "fuzz"):
        shutil.copytree(CHECKOUT / part, place / part, ignore=ignored)
    (place / "tests").mkdir()
    (place / "tests" / "captures").symlink_to(CHECKOUT / "tests" / "captures")
    for part in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / part, place)
    shim = [compiler, "-shared", "-fPIC", "-O2", "-o", str(place / "coverage.so"), str(CHECKOUT / "fuzz/coverage.c")]
    subprocess.run(shim, check=True)
    # The linker must not bring the compiler's own sanitizer: the one that comes with libFuzzer is there already.
    environment = {**os.environ, "CC": f"{compiler} {SANITIZE}", "LDSHARED": f"{compiler} -shared", "CFLAGS": "-g"}
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not list((place / "netstream" / "kernel").glob("*.so")):
        raise CannotFuzz(f"the kernel could not be compiled: {done.stderr[-2000:]}")


def environment_of(place: Path) -> dict[str, str]:
    """
    @return: The environment in which the built kernel can be loaded.
    """
    atheris = find_spec("atheris")
    if atheris is None or atheris.origin is None:
        raise CannotFuzz("atheris is not installed (pip install atheris; there are wheels for some Pythons only)")
    sanitizer = Path(atheris.origin).parents[1] / "asan_with_fuzzer.so"
    return {
        **os.environ,
        "PYTHONPATH": str(place),
        "PYTHONMALLOC": "malloc",
        "PYTHONFAULTHANDLER": "0",
        "LD_PRELOAD": f"{place / 'coverage.so'} {sanitizer}",
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0:allocator_may_return_null=1:handle_segv=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def fuzz(name: str, place: Path, minutes: float, found: Path, inputs: list[Path]) -> bool:
    """
    Try one target.

    @return: Whether no harm was done.
    """
    from fuzz.targets import seeds

    corpus = place / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    command = [sys.executable, "-m", "fuzz.one", name]
    command += [
        f"-max_total_time={round(minutes * 60)}",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MOST_MEMORY}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={found}/{name}-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    command += [str(path) for path in inputs] or [str(corpus)]
    log = found / f"{name}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            command, cwd=place, env=environment_of(place), stdout=output, stderr=subprocess.STDOUT, check=False
        )
    lines = log.read_text(errors="replace").splitlines()
    tried = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
    said = next(
        (line for line in lines if "Sanitizer" in line or "Uncaught Python" in line or "runtime error" in line), ""
    )
    print(f"{name}: {'good' if not done.returncode else f'HARM ({said.strip() or log})'}, {tried} inputs", flush=True)
    return not done.returncode


def main() -> None:
    """
    Do what the command line asks for.
    """
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--input", type=Path, action="append", default=[], help="give only this file to the target")
    parser.add_argument("--found", type=Path, help="where inputs that do harm are left; default: a new directory")
    parser.add_argument("--build", type=Path, help="use, or make, the sanitized kernel there; default: a new one")
    options = parser.parse_args()
    if unknown := set(options.target) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    found = options.found or Path(tempfile.mkdtemp(prefix="netstream-fuzz-found-"))
    found.mkdir(parents=True, exist_ok=True)
    place = options.build or Path(tempfile.mkdtemp(prefix="netstream-fuzz-"))
    try:
        environment_of(place)
        if not (place / "coverage.so").exists():
            build(place)
        inputs = [path.resolve() for path in options.input]
        names = options.target or list(TARGETS)
        good = [fuzz(name, place, options.minutes, found.resolve(), inputs) for name in names]
    except CannotFuzz as problem:
        print(f"no fuzzing: {problem}", file=sys.stderr)
        sys.exit(2)
    finally:
        if options.build is None:
            shutil.rmtree(place, ignore_errors=True)
    print(f"logs, and inputs that do harm: {found}")
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
