"""Hosts as processes: born from a fork server, fed through a pipe, killed with SIGKILL."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from AgentOperatingSystem.proof.kill.child import live
from AgentOperatingSystem.proof.kill.points import Setup


class Host:
    """One life of one host."""

    def __init__(self, setup: Setup, point: str, countdown: int) -> None:
        """With a `point`, it dies there by itself, at the `countdown`-th passing."""
        self.point = point
        self.unanswered: set[int] = set()
        self.ready = False
        self.pipe, theirs = _context().Pipe()
        arguments = (theirs, setup, self.point, countdown)
        self._process: ForkServerProcess = _context().Process(target=live, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def send(self, number: int, tally: int, wait: bool) -> bool:
        """Hands an event in; False where the host is dead already."""
        try:
            self.pipe.send((number, tally, wait))
        except OSError:
            return False
        self.unanswered.add(number)
        return True

    def answers(self) -> Iterator[int]:
        """Events that were answered meanwhile. Raises `EOFError` when the host is dead and everything is read."""
        try:
            while self.pipe.poll():
                kind, number = self.pipe.recv()
                if kind == "ready":
                    self.ready = True
                else:
                    self.unanswered.discard(number)
                    yield number
        except OSError:
            raise EOFError from None

    def kill(self) -> None:
        """SIGKILL, now."""
        self._process.kill()

    def end(self) -> None:
        """Tells the host to drain and end, and waits until it has."""
        try:
            self.pipe.send(None)
        except OSError:
            self.kill()
        self._process.join(30)
        self.kill()
        self.bury()

    def bury(self) -> None:
        """Waits for the end and lets go of the pipe."""
        self._process.join()
        self.pipe.close()


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"AgentOperatingSystem.proof.kill.{name}" for name in ("child", "on_azure")])
    return context


def pipes(hosts: list[Host]) -> list[Connection]:
    """What to wait on."""
    return [host.pipe for host in hosts]
