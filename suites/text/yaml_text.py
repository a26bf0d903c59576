"""YAML with the line of every value, within limits, and in our own files with one reading only.

`no`, `1:30` and `010` are false, 90 and 8 in YAML 1.1, and text or other numbers in YAML 1.2 (yaml.org/spec/1.2.2,
10.3); whoever writes them should not have to know which. The parser in C is taken where it is installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from suites.errors import UserError
from suites.text.files import AS_UTF8, read_text
from suites.text.json_text import DEEPEST, MOST_DIGITS, TOO_DEEP

Location = tuple[str | int, ...]
Problem = tuple[int, str]
"""A line, and what is wrong there."""
MOST_VALUES = 100_000
"""Values in a file, with those that an alias stands for."""
TAG = "tag:yaml.org,2002:"
NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
PLAIN = {
    f"{TAG}bool": re.compile("true|True|TRUE|false|False|FALSE"),
    f"{TAG}int": re.compile(r"[-+]?(0|[1-9]\d*)|0x[\da-fA-F]+"),
    f"{TAG}float": NUMBER,
}
"""What is the same in YAML 1.1 and 1.2, of what YAML 1.1 takes for something else than text."""
TEXT = {f"{TAG}timestamp", f"{TAG}value"}
"""What YAML 1.1 takes for a date or a sign, and we for the text that it is."""
NOT_KEPT = re.compile("[\0\ud800-\udfff]")
"""Characters that no file name and no store can hold."""


class Document(NamedTuple):
    """What a file holds, and the line (from 1) of every value by its location, such as `("baselines", 1)`."""

    content: Any
    lines: dict[Location, int]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that says where a value stands which is not what its tag says."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, OverflowError):
            what = f"{_shown(node.value)} is no {node.tag.removeprefix(TAG)}"
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from None


_Loader.add_implicit_resolver(f"{TAG}float", re.compile(f"({NUMBER.pattern})$"), list("-+.0123456789"))  # 1e3, too


def load(path: Path) -> Document:
    """What is in a file of ours. Raises UserError for every place that can be read in two ways, for malformed YAML, a
    key that is repeated, and what is beyond the limits above; OSError where there is no such file."""
    text = _text(path)
    try:
        loader = _bounded(text)
        node = loader.get_single_node()
        lines: dict[Location, int] = {}
        _refuse(sorted({*_places(node, (), lines, set()), *_expanded(node)}), path)
        return Document(loader.construct_document(node) if node else None, lines)
    except yaml.YAMLError as error:
        raise _malformed(error, text, path) from None


def load_theirs(path: Path) -> Any:
    """What is in a file that another program reads, as YAML 1.1 has it. Raises UserError and OSError as `load`."""
    return parse_theirs(_text(path), path)


def parse_theirs(text: str, path: Path) -> Any:
    """What a text of another program's is in YAML 1.1, `path` being where it stands. Raises UserError as `load`."""
    try:
        loader = _bounded(text)
        node = loader.get_single_node()
        _refuse(list(_expanded(node)), path)
        return loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise _malformed(error, text, path) from None


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"not UTF-8 text: {error.reason}", f"{path}:{line}", AS_UTF8) from None


def _bounded(text: str) -> _Loader:
    """A loader for a text that is not nested too deeply to be walked; the parser's events tell it before anything is
    built."""
    deep = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        deep += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        many = count > 2 * MOST_VALUES  # each list and mapping begins and ends
        if many or deep > DEEPEST:
            problem = f"more than {MOST_VALUES:,} values" if many else TOO_DEEP
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=cast("yaml.Mark", event.start_mark))
    return _Loader(text)


def _malformed(error: yaml.YAMLError, text: str, path: Path) -> UserError:
    mark = getattr(error, "problem_mark", None)
    if mark and text.splitlines()[mark.line : mark.line + 1] and "\t" in _before(text.splitlines()[mark.line]):
        return UserError("not valid YAML: a line begins with a tab", f"{path}:{mark.line + 1}", "indent it by spaces")
    if bad := yaml.reader.Reader.NON_PRINTABLE.search(text):  # of which the parser says no line
        what = f"not valid YAML: it has the control character U+{ord(bad[0]):04X}"
        return UserError(what, f"{path}:{text.count(chr(10), 0, bad.start()) + 1}", "take it out")
    problem = (getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)).removeprefix("but ")
    return UserError(f"not valid YAML: {problem}", f"{path}:{mark.line + 1}" if mark else str(path))


def _before(line: str) -> str:
    """The space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def _refuse(problems: list[Problem], path: Path) -> None:
    if len(problems) == 1:
        raise UserError(problems[0][1], f"{path}:{problems[0][0]}")
    if problems:
        listed = "\n".join(f"  line {line}: {sentence}" for line, sentence in problems)
        raise UserError(f"{len(problems)} problems in the file\n{listed}", str(path))


def _places(node: yaml.Node | None, at: Location, lines: dict[Location, int], seen: set[int]) -> Iterator[Problem]:
    """Note every line under `node`, and tell what can be read in two ways. An anchor is walked once, however often it
    is used, even inside itself."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    lines.setdefault(at, _line(node))
    if isinstance(node, yaml.ScalarNode):
        yield from _scalar(node)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                yield _line(key), "a key is a name, and no list or mapping"
                continue
            yield from _scalar(key)
            child = (*at, key.value)
            if child in lines:
                yield _line(key), f"`{_shown(key.value)}` is set twice; keep one of them"
            lines[child] = _line(key)
            yield from _places(value, child, lines, seen)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from _places(value, (*at, position), lines, seen)


def _scalar(node: yaml.ScalarNode) -> Iterator[Problem]:
    """What is wrong with a value on its own; what is text in every reading but YAML 1.1's is made text."""
    if NOT_KEPT.search(node.value):
        yield _line(node), f"{_shown(node.value)} has a character that no file and no store can hold"
    if node.tag in TEXT:
        node.tag = f"{TAG}str"
    elif not node.style and not PLAIN.get(node.tag, ANYTHING).fullmatch(node.value):
        yield from _two_readings(node)
    elif node.tag == f"{TAG}int" and len(node.value) > MOST_DIGITS:
        yield _line(node), f"{_shown(node.value)} is a number of {len(node.value):,} digits, more than can be kept"


ANYTHING = re.compile(".*", re.DOTALL)


def _two_readings(node: yaml.ScalarNode) -> Iterator[Problem]:
    """What is said of what YAML 1.1 takes for something else; nothing of a value that is not as its tag says."""
    value = yaml.safe_load(node.value)
    if not isinstance(value, str):
        plain = str(value).lower() if isinstance(value, bool) else f"{value}"
        what = f"`{_shown(node.value)}` is {plain} to some readers of YAML, and not to others"
        yield _line(node), f"{what}; write {plain}, or put it in quotes"


def _expanded(root: yaml.Node | None) -> Iterator[Problem]:
    """What is wrong with the aliases of a document: one inside what it stands for, or so many that nothing could hold
    what they stand for."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}

    def visit(node: yaml.Node) -> None:
        if id(node) in sizes:
            return
        sizes[id(node)] = depths[id(node)] = 0  # until it is known; 0 of a node that is inside itself
        inner = _inner(node)
        for each in inner:
            visit(each)
        if any(not sizes[id(each)] for each in inner):
            raise yaml.MarkedYAMLError(problem="an alias stands for what it is in", problem_mark=node.start_mark)
        sizes[id(node)] = 1 + sum(sizes[id(each)] for each in inner)
        depths[id(node)] = 1 + max((depths[id(each)] for each in inner), default=0)

    if root is not None:
        visit(root)
        if sizes[id(root)] > MOST_VALUES:
            yield _line(root), f"the aliases stand for {sizes[id(root)]:,} values, and at most {MOST_VALUES:,} are read"
        elif depths[id(root)] > DEEPEST + 1:
            yield _line(root), TOO_DEEP


def _inner(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


SHOWN = 60
