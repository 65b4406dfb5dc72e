"""The wheel works where the checkout is not: schemas, presets and commands are inside."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from nexo_bridge import __version__

ROOT = Path(__file__).parents[1]


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment, in a folder with a blank in its name, with the wheel in it; dependencies are borrowed."""
    folder = tmp_path_factory.mktemp("a shop") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder


def test_the_wheel_carries_schemas_and_presets(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"nexo_bridge/_data/xsd/{path.name}" for path in (ROOT / "xsd").glob("*.xsd")}
    wanted |= {f"nexo_bridge/_data/ppaas/{path.name}" for path in (ROOT / "config" / "ppaas").glob("*.toml")}

    assert len(wanted) == 6
    assert wanted <= inside
    assert "nexo_bridge/py.typed" in inside
    assert not {name for name in inside if name.startswith("tests/")}


def test_the_installed_command_runs_from_the_wheel_and_not_from_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    where = run(
        installed / "bin" / "python", "-c", "import nexo_bridge; print(nexo_bridge.__file__)", cwd=tmp_path
    )

    assert Path(where.strip()).is_relative_to(installed)
    assert run(installed / "bin" / "nexo-bridge", "--version", cwd=tmp_path) == f"nexo-bridge {__version__}\n"


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_the_installed_command_validates(installed: Path, tmp_path: Path, version: str) -> None:
    sample = ROOT / "tests" / "corpus" / version / "payment-request-card.xml"

    run(installed / "bin" / "nexo-bridge", "validate", sample, cwd=tmp_path)


@pytest.mark.parametrize("environment", ["demo", "nar", "ind", "eur"])
def test_the_installed_command_knows_the_environments(
    installed: Path, tmp_path: Path, environment: str
) -> None:
    code = f"from nexo_bridge.runtime.data import read_data; print(read_data('ppaas/{environment}.toml').decode())"

    assert f'name = "{environment}"' in run(installed / "bin" / "python", "-c", code, cwd=tmp_path)


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert project["version"] == __version__
    assert re.search(rf"^## {re.escape(__version__)}\b", changes, re.MULTILINE)


def test_the_environment_of_make_is_made_again_when_the_project_changes() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in ("demo", "test", "check", "run"):
        assert re.search(rf"^{target}:.*\$\(VENV\)/ready", makefile, re.MULTILINE), target
