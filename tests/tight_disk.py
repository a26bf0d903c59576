"""A run on a disk of its own that fills up after so many pages: `python tight_disk.py EXPERIMENT PAGES...`.

It needs a mount namespace: `unshare --map-root-user --mount` gives one to everybody, and takes the disk away again.
For each number of free pages of 4 KiB a line of JSON says what became of `harness run`, and of the same command with
room.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.cli.main import main
from harness.experiment.session import open_session  # so that a run does not have to import it again
from harness.pipeline import order
from harness.store.database import Store
from harness.view import terminal
from reports.outputs import html, markdown, record

NEEDED_ANYWAY = (open_session, order, terminal, html, markdown, record)
PAGE, DISK = 4096, 64 * 2**20


def apart(work: Any, said: Path) -> int:
    """The exit code of `work` in a process of its own; what it says goes to a file. 256: it ended in a traceback."""
    if (pid := os.fork()) == 0:
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        try:
            os._exit(work())
        except BaseException as error:  # noqa: BLE001 (the process ends here)
            os.write(2, f"traceback: {error!r}".encode())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def on_a_tight_disk(folder: Path, disk: Path, pages: int, said: Path) -> dict[str, Any]:
    """What `harness run` does with so many pages left, and what it does afterwards with room."""
    for rest in disk.iterdir():
        shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    work = disk / "work"
    shutil.copytree(folder, work)
    free = os.statvfs(disk)
    (disk / "ballast").write_bytes(b"\0" * max(0, free.f_bavail * free.f_frsize - pages * PAGE))
    experiment, store = work / "experiment.yaml", work / "harness.duckdb"
    code = apart(lambda: main(["run", str(experiment)]), said)
    text = said.read_text(encoding="utf-8", errors="replace")
    held = apart(lambda: int(not Store(store, create=False).path.exists()), said) if store.exists() else None
    (disk / "ballast").unlink()
    again = apart(lambda: main(["run", str(experiment)]), said)
    decision = work / "out" / "recorded" / "decision.json"
    gates = json.loads(decision.read_text(encoding="utf-8"))["gates"] if decision.exists() else None
    return {"pages": pages, "code": code, "said": text[-400:], "opens": held, "again": again, "gates": gates,
            "left": sorted(file.name for file in work.rglob("*.new"))}  # fmt: skip


def run(experiment: Path, pages: list[int]) -> list[dict[str, Any]]:
    """The lines of a process in a mount namespace. Raises CalledProcessError where the system gives none."""
    command = ["unshare", "--map-root-user", "--mount", sys.executable, __file__, str(experiment), *map(str, pages)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        disk = Path(place) / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True)
        try:
            for pages in map(int, sys.argv[2:]):
                print(json.dumps(on_a_tight_disk(Path(sys.argv[1]), disk, pages, Path(place) / "said")), flush=True)
        finally:
            subprocess.run(["umount", str(disk)], check=False)
