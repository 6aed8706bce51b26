"""Runs Microsoft's own live tests of azure-servicebus against the local Service Bus.

    python -m scripts.servicebus_live               the tests of sending and receiving
    python -m scripts.servicebus_live --management  those of the administration client
    python -m scripts.servicebus_live --control     without a server: what needs none

The tests ship in the SDK's source distribution, which is fetched with pip into `--work` and never committed. Their test
files run unmodified; `overlay/` stands in for the infrastructure that makes resources in Azure. TCP port 5671 has to be
free: the SDK knows no other for TLS.
"""

import argparse
import asyncio
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import certifi

from AgentOperatingSystem.hosting.servicebus_emulator import certificate
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import AccessKey, NamespaceSettings

HERE = Path(__file__).parent
OVERLAY = HERE / "overlay"
TLS_PORT = 5671
TEST_SECONDS = 900  # one sends ten messages with up to a minute between them
WEB_SOCKETS = "websocket-client"  # what the SDK's synchronous client speaks through, where it is there
KEY_NAME, KEY = "RootManageSharedAccessKey", "root-of-the-local-service-bus"
REPLACED = ("conftest.py", "servicebus_preparer.py", "perf_tests", "stress_tests", "recordings")
MESSAGING = ("test_topic", "test_sessions", "test_queues", "test_subscriptions", "test_list_sessions", "test_sb_client")
Counts = dict[str, dict[str, str]]
"""Outcome → name of the test → the first line of why."""


def main() -> int:
    """0 where as many tests pass as `--least` asks."""
    asked = _arguments()
    work = asked.work or Path(tempfile.mkdtemp(prefix="servicebus-live-"))
    tests = fetched(work)
    began = time.monotonic()
    if asked.control:
        run_tests(work, tests, asked, {})
    else:
        asyncio.run(_with_server(work, tests, asked))
    found = outcomes(work / "results.xml")
    return _told(found, unexpectedly_passed(work / "output.txt"), asked, time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.servicebus_live", description=__doc__)
    parser.add_argument("--work", type=Path, help="where the tests are unpacked; kept for the next time")
    parser.add_argument("--control", action="store_true", help="no server")
    parser.add_argument("--management", action="store_true", help="the tests of the administration client")
    parser.add_argument("--select", default="", help="pytest's -k")
    parser.add_argument("--workers", default="12", help="processes; most of the time is sleeping")
    parser.add_argument("--least", type=int, default=0, help="how many have to pass")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


def fetched(work: Path) -> Path:
    """The tests of the SDK that is installed, unpacked, less the modules that `overlay` stands in for."""
    version = importlib.metadata.version("azure-servicebus")
    tests = work / f"tests-{version}"
    if not tests.exists():
        wanted = f"azure-servicebus=={version}"
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "azure-servicebus"]
        subprocess.run([*download, "-d", str(work), wanted], check=True)
        (archive,) = work.glob(f"azure*servicebus-{version}.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(work / "unpacked", filter="data")
        (unpacked,) = (work / "unpacked").glob(f"azure*servicebus-{version}")
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(work / "site"), WEB_SOCKETS]
        subprocess.run(install, check=True)
        shutil.copytree(unpacked / "tests", tests, ignore=shutil.ignore_patterns(*REPLACED))
    return tests


async def _with_server(work: Path, tests: Path, asked: argparse.Namespace) -> None:
    pem, key = certificate.own(work, datetime.now(UTC))
    bundle = _trusting(pem, work)
    keys = (
        AccessKey(name=KEY_NAME, key=KEY),
        AccessKey(name="only-Listen", key=KEY, rights=frozenset({"Listen"})),
        AccessKey(name="only-Send", key=KEY, rights=frozenset({"Send"})),
    )
    bus = LocalServiceBus(NamespaceSettings(), now_seconds=time.time, keys=keys)
    tls_port = 0 if asked.management else TLS_PORT
    await bus.start("localhost", 0, admin_port=0, tls=certificate.context(pem, key), tls_port=tls_port)
    place = {
        "LIVE_NAMESPACE": f"localhost:{bus.admin_port}",
        "SSL_CERT_FILE": str(bundle),
        "REQUESTS_CA_BUNDLE": str(bundle),
    }
    try:
        await asyncio.to_thread(run_tests, work, tests, asked, place)
    finally:
        await bus.stop()


def _trusting(pem: Path, work: Path) -> Path:
    bundle = work / "trusted.pem"
    bundle.write_bytes(Path(certifi.where()).read_bytes() + pem.read_bytes())
    return bundle


def run_tests(work: Path, tests: Path, asked: argparse.Namespace, place: dict[str, str]) -> None:
    """pytest, in processes of its own; what came of it is in `results.xml`."""
    if asked.management:
        files, workers = [str(tests / "mgmt_tests")], "0"  # each begins with taking away all that is there
    else:
        folders, workers = (tests, tests / "async_tests"), asked.workers
        files = [str(path) for name in MESSAGING for folder in folders for path in folder.glob(f"{name}*.py")]
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "live_plugin", "-c", os.devnull]
    command += ["--rootdir", str(tests), "--junitxml", str(work / "results.xml"), "-p", "no:cacheprovider"]
    command += [
        "-o",
        "asyncio_mode=auto",
        "-n",
        workers,
        "--timeout",
        str(TEST_SECONDS),
        "-k",
        asked.select,
        "--tb=short",
    ]
    paths = os.pathsep.join(map(str, (OVERLAY, tests, tests / "mgmt_tests", work / "site")))
    with (work / "output.txt").open("wb") as output:
        environment = {**os.environ, **place, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([*command, *files], env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)


def outcomes(results: Path) -> Counts:
    """From pytest's report."""
    found: Counts = {"passed": {}, "failed": {}, "skipped": {}}
    for case in ElementTree.parse(results).iter("testcase"):
        name = f"{str(case.get('classname')).rpartition('.')[2]}.{case.get('name')}"
        verdict = next((each for each in case if each.tag in ("failure", "error", "skipped")), None)
        kind = "passed" if verdict is None else "skipped" if verdict.tag == "skipped" else "failed"
        why = "" if verdict is None else (verdict.get("message") or "").strip().partition("\n")[0][:200]
        found[kind][name] = why
    return found


def unexpectedly_passed(output: Path) -> int:
    """How many of those that passed were expected to fail, by pytest's last line."""
    match = re.search(r"(\d+) xpassed", output.read_text(errors="replace").rstrip().rpartition("\n")[2])
    return int(match[1]) if match else 0


def _told(found: Counts, unexpected: int, asked: argparse.Namespace, seconds: float) -> int:
    counts = {kind: len(each) for kind, each in found.items()} | {"unexpectedly_passed": unexpected}
    if asked.json:
        document = {"counts": counts, "seconds": round(seconds), "failed": found["failed"], "skipped": found["skipped"]}
        print(json.dumps(document, indent=2))
    else:
        print(*(f"{name}: {why}" for name, why in found["failed"].items()), sep="\n")
        print(*(f"{count} {kind}" for kind, count in counts.items()), f"{seconds:.0f} s", sep=", ")
    return 0 if counts["passed"] >= asked.least else 1


if __name__ == "__main__":
    raise SystemExit(main())
