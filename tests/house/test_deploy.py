"""What an operator is given: the unit, the image, the compose file and the dashboard fit the program."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.cli.sample_view import view

from triplegain.app.operation.metrics import Stats, exposition
from triplegain.cli import COMMANDS
from triplegain.domain.clock import SECOND_NS

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"


def test_the_dashboard_asks_for_figures_that_there_are() -> None:
    stats = Stats()
    stats.notices["fill", "info"] += 1
    told = exposition(
        [view(conditions={"BTC/USDT": ""}, synthetic=False)], (), stats, 2_000_000_000 * SECOND_NS
    ).decode()
    names = {re.split(r"[ {]", line)[0] for line in told.splitlines() if not line.startswith("#")}
    panels = json.loads((DEPLOY / "grafana" / "triplegain.json").read_text())["panels"]
    asked = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"\b(?:triplegain|process)_\w+", target["expr"])
    }
    assert asked
    assert asked <= names


def test_the_unit_starts_a_command_that_there_is_and_asks_for_nothing_that_cannot_be() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "triplegain.service")
    program, command, *_ = unit["Service"]["ExecStart"].split()
    assert program.endswith("/tg")
    assert command in COMMANDS
    assert unit["Service"]["User"] != "root"


def test_the_unit_says_for_each_documented_exit_code_whether_it_is_tried_again() -> None:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "triplegain.service")
    service, docs = unit["Service"], DEPLOY.parent / "docs"
    never, asked_for = (set(service[name].split()) for name in ("RestartPreventExitStatus", "SuccessExitStatus"))
    said = re.findall(r"^\| ([\d, ]+)[:;(]?.*\| it (is not|stays|is) ", (docs / "operating.md").read_text(), re.M)
    told = {code for codes, _ in said for code in re.findall(r"\d+", codes)} | asked_for
    documented = re.findall(r"^\| ([\d, ]+) \|", (docs / "commands.md").read_text(), re.M)
    # 9 and 10 are answers to commands.
    assert {code for codes in documented for code in re.findall(r"\d+", codes)} - {"9", "10"} == told
    assert never == {code for codes, then in said if then == "is not" for code in re.findall(r"\d+", codes)}
    # Nothing is tried for ever.
    assert int(unit["Unit"]["StartLimitBurst"]) * int(service["RestartSec"]) < 4 * 3600
    assert unit["Unit"]["StartLimitIntervalSec"] == "4h"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here to look at the unit")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copied = tmp_path / "triplegain.service"
    words = (DEPLOY / "triplegain.service").read_text().replace("/srv/triplegain/tg", shutil.which("true") or "")
    copied.write_text(words.replace("User=triplegain", "User=daemon").replace("Group=triplegain", "Group=daemon"))
    done = subprocess.run(["systemd-analyze", "verify", copied], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "triplegain.service" in line] == []


def test_no_environment_file_gets_into_the_image() -> None:
    """Keys and passwords stand in them, those of compose beside its file."""
    assert "**/.env" in (DEPLOY.parent / ".dockerignore").read_text().splitlines()


def test_image_and_compose_file_fit_each_other() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service = compose["services"]["triplegain"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    image = (DEPLOY / "Dockerfile").read_text()
    (volume,) = re.findall(r"^VOLUME (\S+)", image, re.M)
    assert [place.partition(":")[2] for place in service["volumes"]] == [volume]
    assert "USER triplegain" in image
    (command,) = re.findall(r"^CMD (\[.*\])", image, re.M)
    assert json.loads(command)[0] in COMMANDS
