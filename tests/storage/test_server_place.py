"""Where a cluster lies and who runs it: written down, followed, and refused where it is not certain."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from triplegain.storage import server_identity, server_place
from triplegain.storage.errors import StorageError
from triplegain.storage.server_identity import NOBODY, RunsAs
from triplegain.storage.server_place import Place, check_folder, decide_place, remove_link, socket_folder

_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def cluster(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18\n")
    return folder


def noted(folder: Path) -> dict[str, str]:
    note: dict[str, str] = json.loads((folder / "place.json").read_text())
    return note


def block_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_identity, "namespaces_allowed", lambda: False)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where earlier versions kept the cluster of `tmp_path`."""
    monkeypatch.setattr(server_identity, "REACHABLE_FOLDER", tmp_path / "reachable")
    return server_place.of_earlier_versions(tmp_path) / "data"


def test_a_new_cluster_is_decided_to_lie_in_the_home_before_it_is_made(tmp_path: Path) -> None:
    place = decide_place(tmp_path)
    assert place.data == "data" == noted(tmp_path)["data"]
    assert not (tmp_path / "data").exists()


def test_a_cluster_of_an_earlier_version_elsewhere_is_followed(tmp_path: Path, elsewhere: Path) -> None:
    cluster(elsewhere)
    assert decide_place(tmp_path).data == str(elsewhere) == noted(tmp_path)["data"]


def test_two_clusters_are_refused_by_name_also_against_a_note(tmp_path: Path, elsewhere: Path) -> None:
    cluster(tmp_path / "data")
    decide_place(tmp_path)
    cluster(elsewhere)
    with pytest.raises(StorageError, match="two databases") as refused:
        decide_place(tmp_path)
    assert str(tmp_path / "data") in str(refused.value) and str(elsewhere) in str(refused.value)


def test_a_noted_cluster_that_is_away_is_not_made_anew(tmp_path: Path, elsewhere: Path) -> None:
    cluster(elsewhere)
    decide_place(tmp_path)
    elsewhere.rename(elsewhere.with_name("not mounted"))
    with pytest.raises(StorageError, match="is not there"):
        decide_place(tmp_path)


def test_a_note_that_cannot_be_read_is_no_reason_for_a_new_cluster(tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text("{")
    with pytest.raises(StorageError, match=r"place\.json cannot be read"):
        decide_place(tmp_path)


@_as_root
@pytest.mark.parametrize("allowed", [True, False])
def test_root_runs_the_server_as_the_files_say_whatever_is_allowed_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr(server_identity, "namespaces_allowed", lambda: allowed)
    os.chown(cluster(tmp_path / "data"), NOBODY, NOBODY)
    assert decide_place(tmp_path).runs_as is RunsAs.NOBODY
    (tmp_path / "place.json").unlink()
    os.chown(tmp_path / "data", 0, 0)
    assert decide_place(tmp_path).runs_as is (RunsAs.NAMESPACE if allowed else RunsAs.NOBODY)


@_as_root
def test_a_cluster_of_a_user_in_a_home_of_root_is_refused_untouched(tmp_path: Path) -> None:
    os.chown(cluster(tmp_path / "data"), 54_321, 54_321)
    with pytest.raises(StorageError, match="belongs to user 54321"):
        decide_place(tmp_path)
    assert (tmp_path / "data").stat().st_uid == 54_321
    assert not (tmp_path / "place.json").exists()


@_as_root
def test_root_refuses_a_folder_of_somebody_elses_before_it_makes_anything(tmp_path: Path) -> None:
    os.chown(tmp_path, 54_321, 54_321)
    with pytest.raises(StorageError, match="would lock that user out"):
        check_folder(tmp_path / "home" / "postgres")
    assert list(tmp_path.iterdir()) == []


@_as_root
def test_nothing_is_given_away_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "shadow").write_text("")
    data = cluster(tmp_path / "data")
    (data / "pg_wal").symlink_to(victim)
    identity = server_identity.ServerIdentity(RunsAs.NOBODY, Path("/"))
    identity.own(data)
    assert data.stat().st_uid == (data / "PG_VERSION").stat().st_uid == NOBODY
    assert victim.stat().st_uid == (victim / "shadow").stat().st_uid == 0
    (data / "pg_hba.conf").symlink_to(victim / "shadow")
    with pytest.raises(OSError):
        identity.guard(data)
    assert (victim / "shadow").read_text() == ""


def test_a_path_with_a_line_break_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="line break"):
        check_folder(tmp_path / "a\nb")


@pytest.mark.parametrize("name", ["long" * 30, "one,two"])
def test_a_socket_that_no_address_can_name_is_reached_through_a_private_link(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    data = cluster(folder / "data")
    first, place = socket_folder(folder, Place("data", RunsAs.OWNER))
    assert len(os.fsencode(first)) < 80 and "," not in str(first)
    assert first.resolve() == data.resolve()
    assert stat.S_IMODE(Path(place.link).stat().st_mode) == 0o700
    assert noted(folder)["link"] == place.link
    assert socket_folder(folder, place)[0] == first
    remove_link(place)
    assert not Path(place.link).exists()
    second, _ = socket_folder(folder, place)
    assert second != first


@pytest.mark.parametrize("how", ["a link", "open to others", "another way"])
def test_a_link_that_is_not_ours_alone_any_more_is_not_used(tmp_path: Path, how: str) -> None:
    folder = tmp_path / ("long" * 30)
    cluster(folder / "data")
    first, place = socket_folder(folder, Place("data", RunsAs.OWNER))
    made = Path(place.link)
    match how:
        case "a link":
            made.rename(tmp_path / "moved")
            made.symlink_to(tmp_path / "moved")
        case "open to others":
            made.chmod(0o777)
        case _:
            (made / "s").unlink()
            (made / "s").symlink_to(tmp_path)
    assert socket_folder(folder, place)[0] != first
