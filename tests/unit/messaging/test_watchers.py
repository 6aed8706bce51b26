"""Watchers are told of what they watch and of nothing else; publications are read by number."""

from pathlib import Path

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.watchers import Watchers


def test_news_reaches_those_who_watch_for_it() -> None:
    watchers = Watchers()
    with watchers.watch("a") as first, watchers.watch("a") as second, watchers.watch("b") as other:
        watchers.notify("a")
        assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)
        assert len(watchers) == 3
    assert len(watchers) == 0
    watchers.notify("a")


async def test_publications_are_read_by_number_and_tenant(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        assert await aos.bus.last_publication() == 0
        with aos.bus.watchers.watch(PUBLICATIONS) as news:
            for number in range(3):
                await aos.message_bus.publish("numbers", number)
            assert news.is_set()
        found = await aos.bus.publications("default", 1, 1)
        assert [(number, event.topic, event.data) for number, event in found] == [(2, "numbers", 1)]
        assert await aos.bus.last_publication() == 3
        assert await aos.bus.publications("other", 0) == []
