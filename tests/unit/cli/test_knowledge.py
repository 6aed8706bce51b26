"""`aos knowledge`, on the files of a system that does not run."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Aos


def test_documents_are_kept_found_listed_and_removed(aos: Aos, bare: Path) -> None:
    (bare / "rules").mkdir()
    (bare / "rules" / "pay.md").write_text("# Pay\n\nInvoices are paid\nwithin ten days.")
    (bare / "rules" / "ill.txt").write_text("Who is ill tells the team leader.")
    (bare / "rules" / "empty.txt").touch()
    (bare / "rules" / "image.png").write_bytes(b"\x89PNG")
    first = aos("knowledge", "add", "rules")
    assert first.code == 0, first.err
    assert [line.split() for line in first.out.splitlines()[1:]] == [
        ["rules/ill.txt", "1", "kept"],
        ["rules/pay.md", "1", "kept"],
    ]
    again = aos("knowledge", "add", "rules/pay.md", "--json")
    assert json.loads(again.out)["items"][0]["changed"] is False
    found = aos("knowledge", "search", "When do we settle bills?")
    assert "rules/pay.md" in found.out
    assert "Invoices are paid within ten days." in found.out
    assert "default" in aos("knowledge", "ls").out
    assert aos("knowledge", "ls", "default").out.count("rules/") == 2
    assert aos("knowledge", "rm", "rules/*").out == "rules/ill.txt is removed\nrules/pay.md is removed\n"
    assert aos("knowledge", "rm", "rules/*").out == "nothing was there\n"
    assert aos("knowledge", "search", "invoices").out == "nothing is found\n"


def test_collections_are_apart_embedded_anew_and_dropped(aos: Aos, bare: Path) -> None:
    (bare / "pay.txt").write_text("Invoices are paid within ten days.")
    assert aos("knowledge", "add", "pay.txt", "--collection", "house", "--as", "pay").code == 0
    assert aos("knowledge", "search", "invoices").out == "nothing is found\n"
    assert "pay" in aos("knowledge", "search", "invoices", "--collection", "house", "--by", "words").out
    assert "house: 1 passages" in aos("knowledge", "embed", "house").out
    assert aos("knowledge", "rm", "--all", "--collection", "house").out == "house is removed\n"
    assert aos("knowledge", "ls").out == "nothing is kept\n"


def test_what_cannot_be_done_is_one_line(aos: Aos, bare: Path) -> None:
    (bare / "empty.md").touch()
    (bare / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    for arguments, said in (
        (("add", "nothing.md"), "no file 'nothing.md'"),
        (("add", "empty.md"), "is empty"),
        (("add", "-"), "--as"),
        (("add", ".", "--as", "x"), "a folder"),
        (("add", "bad.pdf"), "bad.pdf"),
        (("rm",), "SOURCE, or give --all"),
        (("rm", "x", "--all"), "SOURCE, or give --all"),
    ):
        ran = aos("knowledge", *arguments)
        assert ran.code != 0
        assert said in ran.err.splitlines()[-1]
