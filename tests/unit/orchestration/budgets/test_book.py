"""The law of every account, over any interleaving of reservations, ends, crashes and late answers: what is spent and
reserved never passes the limit, and nothing that was used is lost.
"""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from AgentOperatingSystem.agents.budgets import Amounts, Limits
from AgentOperatingSystem.orchestration.budgets.book import Book, Hold, lacking, share

LIMIT = Limits(tokens=100, model_calls=12)
ACCOUNT = "agent/2026-01-01"


@dataclass
class World:
    """One book, and what really happened."""

    book: Book = field(default_factory=Book)
    used: dict[str, int] = field(default_factory=dict)
    """Tokens that calls have really used."""
    orphans: list[str] = field(default_factory=list)
    """Calls whose turn is gone, and that may still end."""
    calls: int = 0

    def reserve(self, tokens: int) -> None:
        need = Amounts(tokens=tokens, model_calls=1)
        if not lacking(self.book.used(ACCOUNT), LIMIT, need):
            self.calls += 1
            self.book.hold(f"s{self.calls}", Hold(amounts=need, accounts=(ACCOUNT,), at=0.0))

    def settle(self, part: float) -> None:
        """The oldest call ends, having used that part of what was reserved for it."""
        for step, hold in list(self.book.open.items())[:1]:
            self.used[step] = int(hold.amounts.tokens * part)
            self.book.settle(step, Amounts(tokens=self.used[step], model_calls=1))

    def crash(self) -> None:
        """The turn is gone; the next one takes the agent over from what was written."""
        self.orphans += self.book.open
        self.book.take_over(1.0)

    def late(self, part: float) -> None:
        for step in self.orphans[:1]:
            self.orphans.remove(step)
            self.used[step] = int(self.book.charged[step].amounts.tokens * part)
            self.book.correct(step, Amounts(tokens=self.used[step], model_calls=1))

    def check(self) -> None:
        used = self.book.used(ACCOUNT)
        assert not lacking(used, LIMIT, Amounts(tokens=0, model_calls=0))
        assert used.tokens <= 100
        assert used.model_calls <= 12
        assert self.book.account(ACCOUNT).spent.tokens >= sum(self.used.values())
        assert self.book.account(ACCOUNT).spent.model_calls + len(self.book.open) == self.calls


STEPS = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 60)),
    st.tuples(st.just("settle"), st.floats(0, 1)),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("late"), st.floats(0, 1)),
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=200, deadline=None)
def test_spent_and_reserved_never_pass_the_limit_and_nothing_is_lost(steps: list[tuple[str, float | None]]) -> None:
    world = World()
    for name, argument in steps:
        getattr(world, name)(*([] if argument is None else [argument]))
        world.check()
    exact = {step: hold.amounts.tokens for step, hold in world.book.charged.items()}
    assert world.book.account(ACCOUNT).spent.tokens == sum(world.used.values()) + sum(exact.values())


def test_a_crash_is_charged_in_full_and_its_late_end_corrects_that() -> None:
    book = Book()
    book.hold("s", Hold(amounts=Amounts(tokens=50, model_calls=1), accounts=(ACCOUNT,), at=0.0, deadline_seconds=30.0))
    book.take_over(1000.0)
    assert book.account(ACCOUNT).spent == Amounts(tokens=50, model_calls=1, seconds=30.0)
    assert book.correct("s", Amounts(tokens=20, model_calls=1, seconds=30.0))
    assert book.account(ACCOUNT).spent == Amounts(tokens=20, model_calls=1, seconds=30.0)
    assert not book.correct("s", Amounts(tokens=20))


def test_old_days_are_forgotten_unless_a_call_of_theirs_may_be_corrected() -> None:
    book = Book()
    for name in ("agent/2026-01-01", "agent/2026-01-02", "agent/total", "event/k/agent"):
        book.change(name, spent=Amounts(tokens=1))
    book.charged["s"] = Hold(amounts=Amounts(), accounts=("agent/2026-01-01",), at=100.0)
    book.forget("2026-01-02", 50.0)
    assert set(book.accounts) == {"agent/2026-01-01", "agent/2026-01-02", "agent/total"}
    book.forget("2026-01-02", 200.0)
    assert set(book.accounts) == {"agent/2026-01-02", "agent/total"}


def test_the_nearest_limit_counts() -> None:
    assert share(Amounts(tokens=10, model_calls=6), LIMIT) == 0.5
    assert share(Amounts(), Limits(tokens=0)) == 1.0
