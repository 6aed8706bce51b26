"""How closely the vendor's SDK looks at what it opens. Used by `servicebus_manager`, which hands in its modules."""

import asyncio
import time
from types import ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary


class Patience:
    """`asyncio` as the SDK's receivers and senders see it while they open: they look every 50 ms whether the next of a
    dozen steps is done, so that one session after the other takes 0.75 s. At first the looks are close together; who
    waits for long, such as for a session with something in it, is back at the SDK's own pace.
    """

    FIRST_SECONDS: Final = 0.001
    SHARE: Final = 0.05
    """Of the time that somebody has waited already."""

    def __init__(self) -> None:
        self._began: WeakKeyDictionary[asyncio.Task[Any], tuple[float, float]] = WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def begin(self) -> None:
        """The current task begins to open something."""
        task = asyncio.current_task()
        if task is not None:
            self._began.pop(task, None)

    async def sleep(self, seconds: float) -> None:
        task, now = asyncio.current_task(), time.monotonic()
        if task is None:
            return await asyncio.sleep(seconds)
        began, last = self._began.get(task, (now, now))
        if now - last > 1.0:
            began = now  # the task opens something else now
        self._began[task] = began, now
        await asyncio.sleep(min(seconds, max(self.FIRST_SECONDS, (now - began) * self.SHARE)))


_patience: Final = Patience()


def be_quick(module: ModuleType) -> None:
    """The current task is about to open something with this module of the SDK. Without effect where the module is
    built otherwise: it opens slower then.
    """
    _patience.begin()
    if getattr(module, "asyncio", None) is asyncio:
        module.asyncio = _patience  # type: ignore[attr-defined]  # it is a name of that module alone
