"""Many requests at once, by threads that an interruption does not wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_S = 0.1


class Workers(Generic[T]):
    """`work(i, stop)` for i from 0 to `count` - 1, on `most` threads.

    `work` should end soon after `stop` is set. What it raises stops the others, and is raised where its result is
    awaited.
    """

    def __init__(self, work: Callable[[int, threading.Event], T], count: int, most: int) -> None:
        self._work, self._count = work, count
        self._todo: SimpleQueue[int] = SimpleQueue()
        self._done: SimpleQueue[int] = SimpleQueue()
        # A result stays here until it is dealt with: an interruption in between must not lose it.
        self._results: dict[int, T | Exception] = {}
        self._stop = threading.Event()
        for i in range(count):
            self._todo.put(i)
        # Daemons: a server that has fallen silent must not keep an interrupted program from ending.
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(min(most, count))]

    def finished(self, tick_s: float) -> Iterator[tuple[int, T] | None]:
        """Begin; (i, result) of each as it comes, None when none came for `tick_s` seconds.

        An interruption while the threads are started is one that `rest` is asked after, too.
        """
        for thread in self._threads:
            thread.start()
        left = self._count
        while left:
            try:
                i = self._done.get(timeout=tick_s)
            except Empty:
                yield None
                continue
            left -= 1
            result = self._results[i]
            if isinstance(result, Exception):
                raise result
            yield i, result
            del self._results[i]

    def rest(self, grace_s: float) -> Iterator[tuple[int, T]]:
        """Start nothing more; what else is finished by now, or within `grace_s` seconds, as it comes.

        The last of `finished` is among it, if it was not gone on from there.
        """
        self._stop.set()
        end = time.monotonic() + grace_s
        while True:
            at_work = any(thread.is_alive() for thread in self._threads)
            for i in list(self._results):
                result = self._results.pop(i)
                if not isinstance(result, Exception):
                    yield i, result
            if not at_work or time.monotonic() > end:
                return
            with suppress(Empty):
                self._done.get(timeout=LOOK_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                i = self._todo.get_nowait()
            except Empty:
                return
            try:
                self._results[i] = self._work(i, self._stop)
            except Exception as error:  # noqa: BLE001 - raised again where the result is awaited
                self._results[i] = error
                self._stop.set()
            self._done.put(i)
