"""harness doctor: what is well and what is not, each with what to do about it. Nothing is changed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.observe.tables import print_table
from harness.store import health
from harness.store.opening import Locked
from harness.training.loop.checkpoints import flaw
from suites.errors import UserError

Status = Literal["ok", "warn", "fail"]

PACKAGE = "finetune-harness"
LEAST_ROOM, ROOM = 100e6, 2e9
"""Bytes: with less than the first a store can hardly be written, with less than the second a training can hardly be."""

MEMORY = 2e9
"""Bytes of memory below which a small model hardly fits."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is (`warn`: it works, mind it), what was measured, and what to do."""

    name: str
    status: Status
    measured: str
    fix: str = ""


def examine(store: Path, *, must_exist: bool) -> list[Check]:
    """Every check; those of a store that was not named and is not there are left out, but for one that says so."""
    place = store.parent if store.parent.is_dir() else Path.cwd()
    groups: list[Callable[[], Iterator[Check]]] = [
        packages, hardware, lambda: room(place, store), cache,
        lambda: file(store, must_exist), lambda: checkpoints(place),
    ]  # fmt: skip
    return [check for group in groups for check in group()]


def show(checks: Sequence[Check]) -> None:
    """The checks as a table, what to do below it, and one sentence on all of them."""
    print_table(("check", "", "measured"), [(c.name, "" if c.status == "ok" else c.status, c.measured) for c in checks])
    print()
    for check in checks:
        if check.fix:
            print(f"{check.name}: {check.fix}")
    broken, minded = (sum(check.status == status for check in checks) for status in ("fail", "warn"))
    print(f"{broken} broken, {minded} to mind, {len(checks) - broken - minded} well")


# --- the machine


def packages() -> Iterator[Check]:
    """Python and the packages that are needed, against the ranges that are known to work."""
    try:
        needed = importlib.metadata.requires(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        yield Check("packages", "warn", f"{PACKAGE} is not installed as a package", f"pip install {PACKAGE}")
        return
    wrong = [sentence for text in needed if _in_use(text, needed) and (sentence := _wrong(text))]
    measured = f"Python {platform.python_version()}, {len(needed)} requirements"
    if not wrong:
        yield Check("packages", "ok", f"{measured}, all met")
        return
    yield Check("packages", "fail", "; ".join(wrong), f"pip install --upgrade {PACKAGE}")


def _in_use(text: str, needed: Sequence[str]) -> bool:
    """Whether a requirement is meant here: one of an extra where all packages of the extra are installed."""
    from packaging.requirements import Requirement

    marker = Requirement(text).marker
    if "extra" not in str(marker):
        return True
    return all(_version(each.name) for each in map(Requirement, needed) if each.marker == marker)


def _version(name: str) -> str:
    """The version of a package; empty where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _wrong(text: str) -> str:
    """Why a requirement is not met, empty where it is."""
    from packaging.requirements import Requirement

    needed = Requirement(text)
    if needed.marker and "extra" not in str(needed.marker) and not needed.marker.evaluate():
        return ""
    if not (version := _version(needed.name)):
        return f"{needed.name} is missing"
    return (
        ""
        if needed.specifier.contains(version, prereleases=True)
        else f"{needed.name} {version}, not {needed.specifier}"
    )


def hardware() -> Iterator[Check]:
    """Cores, memory and accelerators."""
    try:
        from harness.models.hf.machine import accelerators
    except ImportError as error:
        yield Check("hardware", "fail", f"torch cannot be loaded: {error}", "install it: https://pytorch.org")
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = ", ".join(accelerators()) or "no accelerator"
    free = _memory()
    measured = f"{cores} cores, {found}" + (f", {free / 1e9:.1f} GB of memory free" if free else "")
    low = free is not None and free < MEMORY
    fix = "end other programs, or name a smaller model" if low else ""
    yield Check("hardware", "warn" if low else "ok", measured, fix)


def _memory() -> int | None:
    """Bytes of memory that programs can still have, where the system says."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)
    return None


def room(place: Path, store: Path) -> Iterator[Check]:
    """Free space where the store, the trained weights and drafts go."""
    size = store.stat().st_size if store.is_file() else 0
    for name, folder in {"disk of the store": place, "disk for drafts": Path(tempfile.gettempdir())}.items():
        free = shutil.disk_usage(folder).free
        status: Status = "fail" if free < LEAST_ROOM else "warn" if free < max(ROOM, 2 * size) else "ok"
        measured = f"{free / 1e9:.1f} GB free in {folder.resolve()}"
        yield Check(name, status, measured, "" if status == "ok" else "make room: checkpoints and models take the most")


def cache() -> Iterator[Check]:
    """Models and data sets that were downloaded."""
    from huggingface_hub import CacheNotFound, scan_cache_dir
    from huggingface_hub.constants import HF_HUB_CACHE

    where = Path(HF_HUB_CACHE)
    try:
        scanned = scan_cache_dir(where)
    except CacheNotFound:
        yield Check("cache of models", "ok", f"nothing yet in {where}")
        return
    except (OSError, ValueError) as error:
        yield Check("cache of models", "fail", str(error), f"make {where} a folder you may write, or set HF_HOME")
        return
    partial = sorted(where.glob("*/blobs/*.incomplete"))
    measured = f"{len(scanned.repos)} models and data sets, {scanned.size_on_disk / 1e9:.1f} GB in {where}"
    broken = [str(warning).splitlines()[0] for warning in scanned.warnings]
    if broken:
        yield Check(
            "cache of models", "warn", f"{measured}; {'; '.join(broken)}", "delete those folders; they load again"
        )
    elif partial:
        first = partial[0].parents[1].name
        yield Check("cache of models", "warn", f"{measured}; {len(partial)} unfinished downloads ({first})",
                    "the next download goes on with them, or delete them")  # fmt: skip
    else:
        yield Check("cache of models", "ok", measured)


# --- the store


def file(store: Path, must_exist: bool) -> Iterator[Check]:
    """The DuckDB file, read to the last row."""
    if not store.exists():
        fix = "`harness run EXPERIMENT` makes one; or name it: harness doctor STORE"
        yield Check("store", "fail" if must_exist else "warn", f"there is none at {store}", fix)
        return
    try:
        found = health.examine(store)
    except UserError as error:
        yield Check("store", "warn" if isinstance(error, Locked) else "fail", error.what, error.fix)
        return
    made = f", by harness {found.harness} with DuckDB {found.duckdb}" if found.harness else ""
    measured = f"version {found.version}{made}, {found.rows:,} rows, {store.stat().st_size / 1e6:,.1f} MB, all readable"
    older = found.version < health.VERSION
    fix = f"the next command brings it to version {health.VERSION}; keep a copy: harness store backup" if older else ""
    yield Check("store", "warn" if older else "ok", measured, fix)
    if found.decisions:
        sound = found.decisions - found.unstamped
        measured = f"{sound} of {found.decisions} rest on what they did when they were made"
        rest = f"; {found.unstamped} do not say: made before digests were kept, or being made anew"
        yield Check("decisions", "ok", measured + (rest if found.unstamped else ""))
    if found.log:
        yield Check("log of the store", "warn", f"{found.log:,} bytes that a process left that was killed",
                    "none needed: the next command that writes takes them in")  # fmt: skip
    for draft in found.drafts:
        yield Check("drafts", "warn", f"{draft} was left by a process that was killed", "delete it")


def checkpoints(place: Path) -> Iterator[Check]:
    """Checkpoints of trainings that were not finished: whether they can be gone on from."""
    found = sorted(place.glob("out/**/checkpoint-*"))
    flaws = {path: reason for path in found if path.is_dir() and (reason := flaw(path))}
    if not flaws:
        yield Check("checkpoints", "ok", f"{len(found)} of unfinished trainings, all complete" if found else "none")
    for path, reason in flaws.items():
        yield Check(
            "checkpoints", "warn", f"{path}: {reason}", "none needed: it is passed over; deleting it makes room"
        )
