"""`tenant-operator bench`, once with next to nothing: it measures, prints and writes what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tenant_operator.sandbox.bench.bucket_bound import bucket_bound
from tenant_operator.sandbox.bench.kubernetes_writes import writes_in
from tenant_operator.sandbox.bench.process_usage import ProcessUsage


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run with two tenants came to, as printed and as written."""
    file = tmp_path_factory.mktemp("bench") / "results.json"
    size = [
        "--tenants",
        "2",
        "--idle-seconds",
        "22",
        "--sweep-seconds",
        "20",
        "--converged",
        "2",
        "--edits",
        "1",
        "--records",
        "40",
        "--changes",
        "3",
    ]
    command = [sys.executable, "-m", "tenant_operator", "bench", *size, "-o", "json", "--output", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert found == json.loads(file.read_text())
    return found


@pytest.mark.e2e
def test_a_tenant_costs_five_writes_to_aws(results: dict[str, Any]) -> None:
    cost = results["onboarding"]["cost"]
    assert sum(cost["aws_writes"].values()) == 5 * 2
    assert cost["kubernetes_writes"]["PATCH tenants"] == 2
    assert cost["cpu_seconds"] > 0
    assert cost["rss_mib"] > 0
    assert len(results["onboarding"]["ratios"]) == 3


@pytest.mark.e2e
def test_an_idle_while_writes_nothing_and_its_sweeps_are_counted(results: dict[str, Any]) -> None:
    assert results["idle"]["aws_writes"] == {}
    assert results["idle"]["kubernetes_writes"] == {}
    assert results["idle"]["aws_reads"]


@pytest.mark.e2e
def test_a_start_with_everything_converged_reads_and_writes_nothing(results: dict[str, Any]) -> None:
    start = results["convergedStarts"][0]
    assert start["cost"]["aws_writes"] == {}
    assert start["cost"]["kubernetes_writes"] == {}
    assert start["cost"]["aws_reads"]
    assert start["until_verified"] >= start["until_listed"] > 0


@pytest.mark.e2e
def test_changes_by_hand_are_undone_without_a_sweep_and_each_is_timed(results: dict[str, Any]) -> None:
    drift = results["drift"]
    assert len(drift["seconds"]) == 3
    assert 0 < drift["p50"] <= drift["p99"] <= max(drift["seconds"])


def test_the_api_servers_own_writes_and_peoples_are_not_the_operators() -> None:
    series = 'apiserver_request_total{{code="200",group="{}",resource="{}",subresource="{}",verb="{}"}} {}'
    metrics = "\n".join(
        (
            series.format("tenant-operator.dev", "tenants", "status", "PATCH", 3),
            series.format("tenant-operator.dev", "tenants", "", "APPLY", 50),
            series.format("", "events", "", "POST", "1e+01"),
            series.format("coordination.k8s.io", "leases", "", "PUT", 7),
        )
    )
    assert writes_in(metrics) == {"PATCH tenants/status": 3, "POST events": 10}


def test_fifty_tenants_cannot_be_onboarded_faster_than_the_slowest_bucket_refills() -> None:
    assert bucket_bound({"ecs:CreateCluster": 50, "ecs:CreateService": 50}) == pytest.approx(30.0)
    assert bucket_bound({"ecs:CreateCluster": 20}) == 0.0


def test_this_process_has_used_some_cpu_and_memory() -> None:
    usage = ProcessUsage.of(os.getpid())
    assert usage.cpu_seconds > 0
    assert usage.peak_rss_mib >= usage.rss_mib > 0


@pytest.mark.e2e
def test_an_edit_in_the_middle_of_sweeps_reaches_aws_and_nothing_else_is_written(
    results: dict[str, Any],
) -> None:
    busy = results["editsInSweeps"]
    assert busy["edits"] == 1
    assert busy["writes_beside_edits"] == 0
    assert busy["p99"] > 0
    assert 0 < busy["largest_share"] < 1


@pytest.mark.e2e
def test_records_that_are_wanted_at_once_are_one_request(results: dict[str, Any]) -> None:
    assert results["dnsRecords"] == {"records": 40, "create_requests": 1, "update_requests": 1}
