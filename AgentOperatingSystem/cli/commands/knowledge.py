"""`aos knowledge add|search|ls|rm|embed`: documents that agents answer from, and what is found in them."""

import base64
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import knowledge
from AgentOperatingSystem.cli.arguments import After, Limit, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, brief, moment
from AgentOperatingSystem.cli.system import Place, System, place
from AgentOperatingSystem.cli.values import read_file
from AgentOperatingSystem.errors import InvalidInput

LARGE_SECONDS = 600.0
"""How long a large document, or a whole collection, may take."""
READ_FROM_FOLDERS = (".pdf", ".docx", ".html", ".htm", ".md", ".markdown", ".txt")
DEFAULT = "default"

Collection = Annotated[str, typer.Option("--collection", metavar="NAME", help="The set of documents.")]


@command(knowledge, "add")
def add(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="A file, a folder, an https:// address, or - for standard input.")
    ],
    system: System,
    out: Output,
    collection: Collection = DEFAULT,
    source: Annotated[
        str | None, typer.Option("--as", metavar="SOURCE", help="Its name there [the file or address as typed].")
    ] = None,
) -> None:
    """Keep documents (PDF, DOCX, HTML, Markdown, text), so that agents can answer from them.

    The same one again changes nothing; a changed one takes the place of the old. Of a folder, all such files are kept.
    """
    there = _place(collection, "/documents")
    bodies = _bodies(what, source)
    made = [system.post(there, body, timeout_seconds=LARGE_SECONDS, may_create=True).document for body in bodies]
    rows = ((each["source"], each["passages"], "kept" if each["changed"] else "there already") for each in made)
    out.show({"items": made}, Table(("SOURCE", "PASSAGES", ""), rows, "there is nothing to read in that folder"))


@command(knowledge, "search")
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="A question, or words.")],
    system: System,
    out: Output,
    collection: Collection = DEFAULT,
    by: Annotated[str, typer.Option("--by", help="hybrid, meaning or words.")] = "hybrid",
    source: Annotated[
        str | None, typer.Option("--source", metavar="SOURCE", help="Only this document; 'docs/*': all that begin so.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, metavar="N", help="How many at most.")] = 5,
) -> None:
    """Show the passages that have most to do with a question, the best first."""
    found = system.get(_place(collection, "/search", q=question, by=by, source=source, limit=limit))
    rows = (_row(number, each) for number, each in enumerate(found["items"], 1))
    out.show(found, Table(("", "SOURCE", "WHERE", "LIKE", "PASSAGE"), rows, "nothing is found"))


@command(knowledge, "ls")
def ls(
    system: System,
    out: Output,
    collection: Annotated[
        str | None, typer.Argument(metavar="COLLECTION", help="List its documents [list the collections].")
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> None:
    """List the collections, or the documents of one."""
    if collection is None:
        page = system.get(place("/knowledge"))
        rows = ((each["name"], each["passages"], each["embedder"], each["dimensions"]) for each in page["items"])
        out.show(page, Table(("COLLECTION", "PASSAGES", "EMBEDDER", "DIMENSIONS"), rows, "nothing is kept"))
        return
    page = system.get(_place(collection, "/documents", limit=limit, after=after))
    rows = ((each["source"], each["title"], each["passages"], moment(each["added_at"])) for each in page["items"])
    out.show(page, Table(("SOURCE", "TITLE", "PASSAGES", "SINCE"), rows, "nothing is kept"), *more(page))


@command(knowledge, "rm")
def rm(
    system: System,
    out: Output,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A document; 'docs/*': all that begin so.")
    ] = None,
    collection: Collection = DEFAULT,
    everything: Annotated[bool, typer.Option("--all", help="The whole collection.")] = False,
) -> None:
    """Remove documents, or a whole collection."""
    if (source is None) != everything:
        raise InvalidInput("name a SOURCE, or give --all")
    there = _place(collection) if everything else _place(collection, "/documents", source=source)
    gone = system.delete(there)
    out.show(
        gone, *(f"{each} is removed" for each in gone["removed"]), *([] if gone["removed"] else ["nothing was there"])
    )


@command(knowledge, "embed")
def embed(
    system: System,
    out: Output,
    collection: Annotated[str, typer.Argument(metavar="COLLECTION", help="Which.")] = DEFAULT,
) -> None:
    """Make all vectors of a collection anew, after another embedder was configured."""
    made = system.post(_place(collection, "/embed"), timeout_seconds=LARGE_SECONDS).document
    out.show(made, f"{made['collection']}: {made['passages']} passages have vectors of {made['embedder']}")


def _place(collection: str, rest: str = "", **query: Any) -> Place:
    return place(f"/knowledge/{quote(collection, safe='')}{rest}", **query)


def _bodies(what: str, source: str | None) -> list[dict[str, str]]:
    if what.startswith(("http://", "https://")):
        return [{"url": what, "source": source or what}]
    if what != "-" and Path(what).is_dir():
        if source is not None:
            raise InvalidInput("--as names one document, and this is a folder")
        files = sorted(each for each in Path(what).rglob("*") if each.suffix.lower() in READ_FROM_FOLDERS)
        return [_file(each.as_posix(), None) for each in files if each.is_file() and each.stat().st_size]
    return [_file(what, source)]


def _file(name: str, source: str | None) -> dict[str, str]:
    if name == "-" and source is None:
        raise InvalidInput("standard input has no name: give one with --as")
    content = base64.b64encode(read_file(name)).decode()
    if not content:
        raise InvalidInput(f"{name!r} is empty")
    return {"source": source or name, "content": content} | ({"name": name} if name != "-" else {})


def _row(number: int, found: dict[str, Any]) -> list[object]:
    passage, likeness = found["passage"], found["similarity"]
    where = passage["heading"] or (f"page {passage['page']}" if passage["page"] else f"at {passage['start']}")
    return [
        number,
        passage["source"],
        where,
        "" if likeness is None else f"{likeness:.2f}",
        brief(" ".join(passage["text"].split())),
    ]
