"""What holds for every test: nothing blocks the loop, and in CI nothing skips; and a broker for those that want one."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBusterFunction, blockbuster_ctx
from structlog.testing import capture_logs
from structlog.typing import EventDict

import nexo_bridge
from tests.broker import Broker, running

_FILES = ("fsync", "fdatasync", "open", "ftruncate", "pwrite", "chmod")
"""What ``os`` does to a disk and blockbuster does not know by itself."""


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    """A call of the package that blocks a running event loop fails the test; tests themselves may read their files."""
    with blockbuster_ctx(nexo_bridge) as guard:
        for name in _FILES:
            function = BlockBusterFunction(os, name, scanned_modules=[nexo_bridge])
            if guard.functions.setdefault(f"os.{name}", function) is function:
                function.activate()
        yield


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A mosquitto to which anybody may connect; a test that wants another makes its own (``tests.broker.running``)."""
    with running(tmp_path / "broker") as one:
        yield one


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """Every log record of ours from here on, with its fields as they were given."""
    with capture_logs() as records:
        yield records


def _fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"in CI nothing skips: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_in_ci(report)
    return report
