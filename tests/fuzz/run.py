"""Fuzzing: `make fuzz`, or `python tests/fuzz/run.py --seconds 600 data logs`.

Each target runs in a process of its own; a find is printed once, and its input is kept in `fuzz-finds/TARGET`, from
where it goes to `tests/fuzz/finds/TARGET` once it is mended. With no coverage of what Python cannot see (DuckDB, Arrow,
PyTorch), a process that dies with a signal is a find, too.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
FINDS = Path("fuzz-finds")
PACKAGES = ["harness", "suites", "baselines", "reports"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--real", type=int, default=0, help="so many inputs a target through real commands, and no more"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
    if options.inside:
        fuzz(options.targets[0], options.seconds, options.seed)
        return 0
    if options.real:
        return in_reality(options.targets, options.real, options.seed)
    return run_all(options.targets, options.seconds, options.seed)


def in_reality(names: list[str], count: int, seed: int) -> int:
    """A sample of inputs through commands in processes of their own. 1 when anything was found."""
    import targets
    from mutations import mutate

    found = 0
    for name in names or list(targets.TARGETS):
        target, folder = targets.TARGETS[name], Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
        targets.REAL = False
        target.build(folder)
        targets.REAL = True
        (FINDS / name).mkdir(parents=True, exist_ok=True)
        first, seen = targets.seeds(target, folder), set[str]()
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            place, _, rest = chance.choice(first).partition(b"\n")
            content = place + b"\n" + mutate(rest, place.decode(), chance)
            try:
                targets.attempt(target, folder, content)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                _keep(FINDS / name, content, error, seen)
        print(f"{name}: {count} inputs through real commands, {len(seen)} finds", flush=True)
        found += len(seen)
    return 1 if found else 0


def run_all(names: list[str], seconds: float, seed: int) -> int:
    """Every target for its part of the time. 1 when anything was found."""
    from targets import TARGETS

    names = names or list(TARGETS)
    for name in names:
        until = time.monotonic() + seconds / len(names)
        while (left := until - time.monotonic()) > 5:
            child = [sys.executable, __file__, "--inside", "--seconds", f"{left:.0f}", "--seed", f"{seed}", name]
            code = subprocess.run(child, check=False).returncode
            if code == 0:
                break
            if not _keep_last(name, code):
                return code  # it did not come as far as trying anything
            seed += 1
    found = sorted(FINDS.rglob("*.input"))
    print(f"{len(found)} finds in {FINDS}" if found else "nothing was found")
    return 1 if found else 0


def _keep_last(name: str, code: int) -> bool:
    """Whether there is an input at which a process died; it is a find of its own."""
    last = FINDS / name / "last"
    if there := last.is_file():
        kept = last.rename(last.with_name(f"died-{hashlib.sha256(last.read_bytes()).hexdigest()[:12]}.input"))
        print(f"{name}: the process ended with {code}; see {kept}", flush=True)
    return there


def fuzz(name: str, seconds: float, seed: int) -> None:
    """One target, in this process, which ends with it."""
    import atheris

    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=PACKAGES):
        from targets import TARGETS, attempt, quieten, seeds
    from mutations import mutate

    quieten()
    target, folder = TARGETS[name], Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    finds = FINDS / name
    finds.mkdir(parents=True, exist_ok=True)
    target.build(folder)
    corpus = Path(tempfile.mkdtemp(prefix=f"corpus-{name}-"))
    first = seeds(target, folder)
    for i, content in enumerate(first):
        (corpus / f"seed{i}").write_bytes(content)
    seen: set[str] = set()
    tried, until = 0, time.monotonic() + seconds

    def one(content: bytes) -> None:
        nonlocal tried
        tried += 1
        if time.monotonic() > until:  # libFuzzer would end the process without a word
            (finds / "last").unlink(missing_ok=True)
            print(f"{name}: {tried:,} inputs, {len(seen)} finds", flush=True)
            os._exit(0)
        (finds / "last").write_bytes(content)
        try:
            attempt(target, folder, content)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            _keep(finds, content, error, seen)

    def change(content: bytes, max_size: int, number: int) -> bytes:
        chance = random.Random(number)
        if chance.random() < 0.1:
            content = chance.choice(first)
        place, _, rest = content.partition(b"\n")
        changed = mutate(rest, place.decode("utf-8", "replace"), chance)
        return (place + b"\n" + changed)[:max_size]

    arguments = [sys.argv[0], f"-seed={seed + 1}", "-max_len=4000000", "-timeout=300",
                 "-rss_limit_mb=8000", "-len_control=0", "-verbosity=0", str(corpus)]  # fmt: skip
    atheris.Setup(arguments, one, custom_mutator=change)
    atheris.Fuzz()


def _keep(finds: Path, content: bytes, error: BaseException, seen: set[str]) -> None:
    """Note an input, unless one with the same end is noted already."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/fuzz/" not in frame.filename]
    ours = [frame for frame in frames if any(f"/{name}/" in frame.filename for name in PACKAGES)]
    kind = type(error).__name__ + "".join(f"|{f.filename}:{f.name}" for f in [*ours[-2:], *frames[-1:]])
    if not frames:
        kind += str(error)[:40]
    if kind in seen:
        return
    seen.add(kind)
    name = hashlib.sha256(kind.encode()).hexdigest()[:12]
    (finds / f"{name}.input").write_bytes(content)
    text = "".join(traceback.format_exception(error)[-14:])
    (finds / f"{name}.txt").write_text(text, encoding="utf-8", errors="replace")
    place = ours[-1] if ours else None
    where = f"{os.path.relpath(place.filename)}:{place.lineno}" if place else ""
    print(f"{finds.name}: {type(error).__name__} {str(error)[:160]!r} {where} -> {name}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
