"""What leaves is private, whole or not there, and says why it could not be written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from journal_app.charts import catalog
from journal_app.charts.style import ChartStyle
from journal_app.exchange import csv_data, files
from journal_app.journal import trends
from tests.support.day_rows import life


@pytest.fixture
def loose_umask():
    old = os.umask(0)
    yield
    os.umask(old)


def full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
@pytest.mark.usefixtures("loose_umask")
def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    old = tmp_path / "old.pdf"
    old.write_bytes(b"before")
    old.chmod(0o666)
    files.write(old, b"after")
    made = files.write_all(tmp_path, [("a.csv", b"1"), ("b.csv", b"2")])
    assert old.read_bytes() == b"after"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, *made)] == [0o600] * 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "b.csv", "old.pdf"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    link = tmp_path / "summary.pdf"
    link.symlink_to(precious)
    files.write(link, b"pages")
    assert precious.read_text() == "mine"
    assert not link.is_symlink()
    assert link.read_bytes() == b"pages"


def test_a_full_disk_leaves_what_was_there_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "chart.png"
    target.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        files.write(target, b"after")
    monkeypatch.undo()
    assert files.reason(caught.value) == "full"
    assert target.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["chart.png"]


def test_of_many_files_all_are_written_or_none(tmp_path: Path) -> None:
    def pieces():
        yield "a.csv", b"1"
        assert not (tmp_path / "a.csv").exists()
        raise RuntimeError("the second cannot be made")

    with pytest.raises(RuntimeError):
        files.write_all(tmp_path, pieces())
    assert not list(tmp_path.iterdir())


def test_what_must_not_be_replaced_stays(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"before")
    with pytest.raises(FileExistsError):
        files.write_all(tmp_path, [("a.csv", b"1"), ("b.csv", b"2")], replace=False)
    assert [p.name for p in tmp_path.iterdir()] == ["b.csv"]
    assert (tmp_path / "b.csv").read_bytes() == b"before"
    (tmp_path / "folder.pdf").mkdir()
    with pytest.raises(FileExistsError):
        files.write(tmp_path / "folder.pdf", b"pages")


@pytest.mark.skipif(os.name == "nt", reason="pipes with names are POSIX")
def test_a_pipe_or_device_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.pdf"
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError):
        files.write(pipe, b"pages")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("number", "reason"), [(28, "full"), (13, "refused"), (30, "refused"), (2, "missing"), (5, "other")]
)
def test_reasons(number: int, reason: str) -> None:
    assert files.reason(OSError(number, "words")) == reason
    assert files.reason(FileExistsError(17, "words")) == "exists"


def test_a_missing_folder_is_told_and_a_long_name_is_fine(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        files.write(tmp_path / "gone" / "a.pdf", b"")
    assert files.reason(caught.value) == "missing"
    files.write(tmp_path / ("n" * 251 + ".pdf"), b"pages")


def test_charts_and_tables_go_the_same_way(tmp_path: Path) -> None:
    trend = trends.trend(life(30), "2026-10-22", "2026-11-20")
    drawn = files.write_all(tmp_path, catalog.render_all(trend, ChartStyle.light(), ("svg",)))
    tables = csv_data.save_all(trend, tmp_path)
    assert len(drawn) == len(catalog.CHARTS)
    assert len(tables) == len(catalog.CHARTS) + 1
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in (*drawn, *tables))
