"""A clock for tests that wait for nothing."""


class ManualClock:
    """A clock that the test moves; sleeping moves it too."""

    def __init__(self) -> None:
        self.time = 1_767_225_600.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
