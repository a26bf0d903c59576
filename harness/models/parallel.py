"""Many requests at once, by threads that an interruption does not wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Workers(Generic[T]):
    """`work(i, stop)` for i from 0 to `count` - 1, on `most` threads; iterate for (i, result) as they finish.

    `work` should end soon after `stop` is set. What it raises is raised where its result is awaited.
    """

    def __init__(self, work: Callable[[int, threading.Event], T], count: int, most: int) -> None:
        self._work, self._count = work, count
        self._todo: SimpleQueue[int] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, T | Exception]] = SimpleQueue()
        self._stop = threading.Event()
        for i in range(count):
            self._todo.put(i)
        # Daemons: a server that has fallen silent must not keep an interrupted program from ending.
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(min(most, count))]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[tuple[int, T]]:
        for _ in range(self._count):
            i, result = self._done.get()
            if isinstance(result, Exception):
                raise result
            yield i, result

    def stop(self, grace_s: float) -> list[tuple[int, T]]:
        """Start nothing more; what else is finished by now, or within `grace_s` seconds."""
        self._stop.set()
        end = time.monotonic() + grace_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        late = []
        while not self._done.empty():
            i, result = self._done.get()
            if not isinstance(result, Exception):
                late.append((i, result))
        return late

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                i = self._todo.get_nowait()
            except Empty:
                return
            try:
                self._done.put((i, self._work(i, self._stop)))
            except Exception as error:  # noqa: BLE001 - raised again where the result is awaited
                self._done.put((i, error))
