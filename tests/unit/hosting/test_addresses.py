from pathlib import Path

from AgentOperatingSystem.hosting.addresses import announced


def test_a_host_says_where_it_listens_as_long_as_it_lives(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1"):
        assert (tmp_path / "url").read_text() == "http://127.0.0.1:1\n"
    assert not (tmp_path / "url").exists()


def test_a_host_that_came_later_is_left_alone(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:1"), announced(tmp_path, "http://127.0.0.1:2"):
        pass
    assert not (tmp_path / "url").exists()
    with announced(tmp_path, "http://127.0.0.1:1"):
        (tmp_path / "url").write_text("http://127.0.0.1:2\n")
    assert (tmp_path / "url").read_text() == "http://127.0.0.1:2\n"
