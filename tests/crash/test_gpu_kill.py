"""Hosts that are killed while they submit GPU jobs and wait for them: a short part of `aos faults --jobs`."""

from pathlib import Path

from AgentOperatingSystem.proof.gpu.kills import INSIDE, POINTS, run_jobs


def test_no_job_is_submitted_twice(tmp_path: Path) -> None:
    first = next(number for number, point in enumerate(POINTS) if point[0] == INSIDE[0])
    report = run_jobs(4, seed=first, folder=tmp_path)  # on both sides of the submission, and of the claim
    assert "failures" not in report
    assert (report["kills"], report["lost"], report["applied_twice"], report["stuck"]) == (4, 0, 0, 0)
    assert report["done"]["jobs"] == 4
    assert report["done"]["submissions"] == 5  # the one that was killed after it acted named the same job again
