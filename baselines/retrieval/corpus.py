"""A corpus: texts in files, folders, JSONL or Parquet, cut into passages by `semchunk`, and known by its hash."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from baselines.retrieval.written import Passage
from suites.data.readers import READERS, scan
from suites.errors import UserError
from suites.similarity.copies import UNSPACED
from suites.text.files import AS_UTF8, BOM, read_rows, size_of
from suites.types import Json

TEXT = ("text", "passage", "content", "body", "document", "chunk")
"""What people call the column with the text of a row, the likeliest first."""
MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages, and the sha256 of the files they come from and of how they were cut."""

    name: str
    passages: tuple[Passage, ...]
    digest: str


def corpus_files(name: str, folder: Path) -> list[tuple[str, Path]]:
    """The files that a file, a folder or a pattern such as `docs/**/*.md` names, each with its name there.

    A folder's hidden files are none of it. Raises UserError where there is no file, or there are too many.
    """
    whole = folder / name
    if whole.is_file():
        return [(whole.name, whole)]
    if glob.has_magic(name) and not whole.exists():
        found = [Path(each) for each in glob.glob(str(whole), recursive=True)]
        start = folder / Path(*(part for part in Path(name).parts[:-1] if not glob.has_magic(part)))
    else:
        found, start = [*whole.rglob("*")], whole
    files = sorted((_name(each, start), each) for each in found if each.is_file())
    files = [(name, path) for name, path in files if not any(part.startswith(".") for part in Path(name).parts)]
    if not files:
        what = "the corpus has no files" if whole.is_dir() else "no such file, folder or pattern"
        raise UserError(what, str(whole), "name texts, a folder of them, or a pattern such as `docs/**/*.md`")
    if len(files) > MOST_FILES:
        raise UserError(f"the corpus has {len(files):,} files, and at most {MOST_FILES:,} are read", str(whole), "")
    return files


def _name(path: Path, start: Path) -> str:
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else path.name


def read_corpus(name: str, folder: Path, words: int) -> Corpus:
    """The passages of a corpus, of at most `words` words. Raises UserError for what is no text, and for no text."""
    files = corpus_files(name, folder)
    stamps = tuple((each, str(path), path.stat().st_mtime_ns, size_of(path)) for each, path in files)
    return _read(name, stamps, words)


@lru_cache(maxsize=4)
def _read(name: str, files: Sequence[tuple[str, str, int, int]], words: int) -> Corpus:
    documents = [document for each, path, _, _ in files for document in _documents(each, Path(path))]
    passages = tuple(passage for each, text in documents for passage in _passages(each, text, words))
    if not passages:
        raise UserError("the corpus holds no text", name, "name files that do")
    _refuse_repeated(name, documents)
    told = hashlib.sha256(str(words).encode())
    for passage in passages:
        told.update(f"{len(passage.id)} {passage.id} {len(passage.text)} {passage.text}".encode())
    return Corpus(name, passages, told.hexdigest())


def _documents(name: str, path: Path) -> Iterator[tuple[str, str]]:
    """The texts of a file by their names: one, or one for each row."""
    if path.suffix in READERS:
        yield from _rows(name, path)
        return
    content = read_rows(path).removeprefix(BOM)
    if b"\0" in content:
        fix = "name the texts alone, by a pattern such as `docs/**/*.md`, or make a text of it"
        raise UserError("the corpus has a file that is no text", str(path), fix)
    try:
        yield name, content.decode()
    except UnicodeDecodeError as error:
        what = f"the corpus has a file that is not UTF-8 text, first at byte {error.start:,}"
        raise UserError(what, str(path), f"{AS_UTF8}; or name the texts alone, as in `docs/**/*.md`") from None


def _rows(name: str, path: Path) -> Iterator[tuple[str, str]]:
    column = ""
    for number, (where, row) in enumerate(scan(path), 1):
        if isinstance(row, str):
            raise UserError(f"the corpus has a row that cannot be read: {row}", where, "mend it")
        column = column or _text_column(row, path)
        if not isinstance(text := row.get(column), str):
            raise UserError(f"the corpus has a row without text in `{column}`", where, "mend it, or leave it out")
        identity = row.get("id")
        yield f"{name}:{number}" if identity is None else str(identity), text


def _text_column(row: Json, path: Path) -> str:
    named = next((name for name in TEXT if isinstance(row.get(name), str)), None)
    if named is None:
        fix = f"call the column with the text `text`; the file has {', '.join(map(str, row))}"
        raise UserError("the corpus has rows without a text", str(path), fix)
    return named


def _passages(name: str, text: str, words: int) -> Iterator[Passage]:
    """A text cut where paragraphs, sentences or words end; a number counts from 1."""
    import semchunk

    parts = [text] if _words(text) <= words else semchunk.chunk(text, words, _words, memoize=False)
    stripped = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    for number, part in enumerate(stripped, 1):
        yield Passage(f"{name}#{number}" if len(stripped) > 1 else name, part)


def _words(text: str) -> int:
    return len(UNSPACED.sub(r" \1 ", text).split())


def _refuse_repeated(name: str, documents: Sequence[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for document, _ in documents:
        if document in seen:
            raise UserError(f"the corpus has two texts called {document!r}", name, "give each an `id` of its own")
        seen.add(document)
