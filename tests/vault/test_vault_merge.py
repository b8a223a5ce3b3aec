"""Two copies of one journal that went different ways: no word of either is lost, whoever joins them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal_app.vault import merge, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.merge import MergeReport, join, union
from journal_app.vault.records import Correction, Mood
from journal_app.vault.store import JournalStore
from journal_app.vault.vault import Vault
from journal_app.vault.whole import Picture, Rows, Version, Whole
from tests.vault.conftest import PASSPHRASE, ManualClock

PNG = b"\x89PNG\r\n\x1a\n"
COPY = "journal (conflicted copy 2026-03-14).qpv"
LINES = (
    "I slept badly.",
    "I slept badly. Then better.",
    "각각 다른 하루",
    "散歩した。",
    "Müde, straße",
    "",
    "two  spaces ",
    "I walked",
    "I walked home in the rain",
    "lone \ud83d half",
    "한 줄 더",
)
texts = st.lists(st.sampled_from(LINES), max_size=6).map("\n".join)


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def contents(opened: Vault) -> dict[str, Whole]:
    connection = opened.connection()
    try:
        return {whole.id: whole for whole in Rows(connection).entries()}
    finally:
        connection.close()


def join_into(opened: Vault, *strays: Path) -> MergeReport:
    connection = opened.connection()
    try:
        return merge.join_copies(connection, opened.folder, opened._key, opened._file.vault_id, strays)
    finally:
        connection.close()


def split(folder: Path, *names: str) -> list[Path]:
    """Copy a locked journal to several computers."""
    made = [folder.parent / name for name in names]
    for path in made:
        shutil.copytree(folder, path)
        (path / "journal.session").unlink(missing_ok=True)
    return made


def write(folder: Path, work: Callable[[JournalStore, ManualClock], object], clock: ManualClock | None = None) -> None:
    with vault.unlock(folder, PASSPHRASE) as opened:
        moment = clock or ManualClock()
        work(opened.store(clock=moment), moment)


# the union of two texts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("", "a", "a"),
        ("a\n", "a\nb", "a\nb"),
        ("a\nb\nc", "a\nx\nc", "a\nb\nx\nc"),
        ("a\nb", "a\nb and more", "a\nb and more"),
        ("start\na\nend", "start\nend\nb", "start\na\nend\nb"),
        ("only here", "only there", "only here\nonly there"),
        ("각\n나", "각\n다\n나", "각\n다\n나"),
        ("here", "there", "here\nthere"),
        ("cafe", "cafe\u0301", "cafe\ncafe\u0301"),
        ("here", "there, here.", "there, here."),
    ],
)
def test_union(first: str, second: str, expected: str) -> None:
    assert union(first, second) == expected


@given(texts, texts)
@settings(max_examples=400, deadline=None)
def test_union_loses_no_word_of_either(first: str, second: str) -> None:
    both = union(first, second)
    assert words(first) <= words(both)
    assert words(second) <= words(both)
    assert union(first, first) == first
    # Lines of a side keep their order, save those that stand inside a longer one of the other.
    own = [line for line in first.split("\n") if line not in second]
    rest = iter(both.split("\n"))
    assert all(any(line in other for other in rest) for line in own)


def test_union_of_very_long_texts_is_quick_and_whole() -> None:
    first = "\n".join(f"line {n}" for n in range(0, 30_000, 2))
    second = "\n".join(f"line {n}" for n in range(1, 30_000, 2))
    both = union(first, second)
    assert words(first) + words(second) == words(both)


# one entry -------------------------------------------------------------------------------------


def whole(said: str, saved: int = 1, **changes: object) -> Whole:
    stamp = f"2026-03-14T12:00:{saved:02}.000Z"
    made = Whole(
        "0" * 32, said.encode(), "2026-03-14", "12:00:00", 0, "2026-03-14T12:00:00.000Z",
        stamp, 1, stamp, stamp, None, None, None, 0, 1, None,
    )  # fmt: skip
    return replace(made, **changes)


def test_later_text_stands_where_one_grew_out_of_the_other() -> None:
    old = whole("first")
    new = whole("second", 5, revision=2, versions=(Version(1, b"first", old.saved_utc),))
    for ours, theirs in ((old, new), (new, old)):
        after, joined = join(ours, theirs)
        assert (after.text, joined, after.versions) == (b"second", False, new.versions)


def test_both_originals_stay_as_versions_with_their_moments() -> None:
    common = Version(1, b"common", "2026-03-14T11:00:00.000Z")
    ours = whole("common\nhere", 5, revision=2, versions=(common,))
    theirs = whole("common\nthere", 7, revision=2, versions=(common,))
    after, joined = join(ours, theirs)
    assert joined
    assert after.text == b"common\nhere\nthere"
    assert [(v.revision, v.text, v.saved_utc) for v in after.versions] == [
        (1, b"common", common.saved_utc),
        (2, b"common\nhere", ours.saved_utc),
        (3, b"common\nthere", theirs.saved_utc),
    ]
    assert after.revision == 4
    assert join(theirs, ours)[0].text == after.text
    assert join(after, theirs) == (after, False)
    assert join(after, ours) == (after, False)


def test_deletion_stands_unless_the_other_side_wrote_what_it_did_not_know() -> None:
    binned = whole("text", 1, deleted_utc="2026-03-14T12:00:30.000Z")
    assert join(binned, whole("text", 1))[0].deleted_utc == binned.deleted_utc
    assert join(whole("text", 1), binned)[0].deleted_utc == binned.deleted_utc
    after = join(binned, whole("text, and more", 40, revision=2))[0]
    assert (after.deleted_utc, after.text) == (None, b"text, and more")
    # Written before the deletion, but on the other computer: whoever deleted had not seen it.
    assert join(binned, whole("text, and more", 20, revision=2))[0].deleted_utc is None
    later = replace(binned, deleted_utc="2026-03-14T12:00:50.000Z")
    assert join(binned, later)[0].deleted_utc == later.deleted_utc


def test_marks_moods_tags_and_corrections_of_both_sides_are_kept() -> None:
    ours = whole("x", 9, tags=("b", "a"), valence=None, for_therapist=0, read_me=0)
    theirs = whole(
        "x", 3, tags=("a", "c"), valence=2, energy=4, for_therapist=1,
        corrections=(("feelings", "joy", "remove", "2026-03-14T12:00:00.000Z"),),
    )  # fmt: skip
    after = join(ours, theirs)[0]
    assert after.tags == ("b", "a", "c")
    assert (after.valence, after.energy, after.for_therapist, after.read_me) == (2, 4, 1, 0)
    assert after.corrections == theirs.corrections
    newer = replace(ours, corrections=(("feelings", "joy", "accept", "2026-03-14T12:00:05.000Z"),))
    assert join(newer, theirs)[0].corrections == newer.corrections


def test_a_reading_goes_with_the_text_that_it_is_about() -> None:
    read = (2, "{}", b"", "2026-03-14T12:00:09.000Z")
    old = whole("x", 1)
    new = whole("x y", 5, revision=2, versions=(Version(1, b"x", old.saved_utc),), analysis=read)
    after = join(old, new)[0]
    assert after.analysis is not None
    assert after.analysis[0] == after.revision
    assert join(replace(old, read_me=0), new)[0].analysis is None


def test_a_text_of_which_only_the_beginning_arrived_changes_nothing_that_is_whole() -> None:
    ours = whole("The whole text of a day", 5, tags=("a",))
    cut = whole("The whole te", 59, cut=True, valence=None, pictures=(Picture("1" * 32, "png", 9, "", cut=True),))
    assert join(ours, cut) == (ours, False)


def history(side: Whole) -> set[tuple[bytes, str]]:
    return {(version.text, version.saved_utc) for version in (*side.versions, side)}


sides = st.builds(
    lambda text, saved, versions, modified, tags, deleted: whole(
        "",
        text=text.encode("utf-8", "surrogatepass"),
        saved_utc=f"2026-03-14T12:00:{saved:02}.000Z",
        modified_utc=f"2026-03-14T12:00:{modified:02}.000Z",
        revision=len(versions) + 1,
        versions=tuple(
            Version(n + 1, v.encode("utf-8", "surrogatepass"), f"2026-03-14T12:00:{s:02}.000Z")
            for n, (v, s) in enumerate(versions)
        ),
        tags=tuple(dict.fromkeys(tags)),
        deleted_utc=None if deleted is None else f"2026-03-14T12:00:{deleted:02}.000Z",
    ),
    texts,
    st.integers(0, 59),
    st.lists(st.tuples(texts, st.integers(0, 59)), max_size=3),
    st.integers(0, 59),
    st.lists(st.sampled_from("abc"), max_size=3),
    st.none() | st.integers(0, 59),
)


@given(sides, sides)
@settings(max_examples=600, deadline=None)
def test_any_two_states_of_an_entry_join_without_loss(ours: Whole, theirs: Whole) -> None:
    after, joined = join(ours, theirs)
    kept = {after.text} | {version.text for version in after.versions}
    for side in (ours, theirs):
        assert {side.text} | {version.text for version in side.versions} <= kept
        assert set(side.tags) <= set(after.tags)
        assert join(after, side) == (after, False)
    numbers = [version.revision for version in after.versions]
    assert numbers == sorted(set(numbers))
    assert all(number < after.revision for number in numbers)
    if joined:
        for side in (ours, theirs):
            assert words(side.text.decode("utf-8", "surrogatepass")) <= words(
                after.text.decode("utf-8", "surrogatepass")
            )
    back, _ = join(theirs, ours)
    assert back.text == after.text
    assert history(back) == history(after)
    assert back.deleted_utc == after.deleted_utc


# whole journals ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked journal with six entries, one of them long, one in the bin, one with an earlier version."""
    folder = tmp_path_factory.mktemp("start") / "journal"
    opened, _ = vault.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    with opened:
        clock = ManualClock()
        store = opened.store(clock=clock)
        made = [store.new_entry(f"Entry {n}\n{LINES[n]}", tags=["start"]) for n in range(5)]
        made.append(store.new_entry("A long day 긴 하루\n" * 700, mood=Mood(3, 3)))
        clock.move(hours=1)
        store.save_text(made[1].id, "Entry 1\nchanged")
        store.delete(made[2].id)
        clock.move(hours=1)
    return folder


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.just(0), texts),
        st.tuples(st.just("edit"), st.integers(0, 5), texts),
        st.tuples(st.just("append"), st.integers(0, 5), texts),
        st.tuples(st.just("delete"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("restore"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("tag"), st.integers(0, 5), st.sampled_from("abc")),
        st.tuples(st.just("mood"), st.integers(0, 5), st.sampled_from("1245")),
        st.tuples(st.just("picture"), st.integers(0, 5), st.text("ab", min_size=1, max_size=4)),
        st.tuples(st.just("wait"), st.integers(1, 40), st.just("")),
    ),
    max_size=7,
)


def act(store: JournalStore, clock: ManualClock, steps: list[tuple[str, int, str]]) -> None:
    known = sorted((*store.entries(), *store.entries(deleted=True)), key=lambda entry: (entry.created_utc, entry.text))
    ids = [entry.id for entry in known]
    for what, which, value in steps:
        clock.move(seconds=7)
        if what == "add":
            store.new_entry(value)
        elif what == "edit":
            store.save_text(ids[which], value)
        elif what == "append":
            present = store.entry(ids[which])
            assert present is not None
            store.save_text(ids[which], f"{present.text}\n{value}")
        elif what == "delete":
            store.delete(ids[which])
        elif what == "restore":
            store.restore(ids[which])
        elif what == "tag":
            store.set_tags(ids[which], [value, "start"])
        elif what == "mood":
            store.set_mood(ids[which], Mood(int(value)))
        elif what == "picture":
            store.add_image(ids[which], PNG + value.encode() * 1500)
        else:
            clock.move(minutes=which)


@given(operations, operations)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_two_computers_did_no_word_is_lost(
    start: Path, here: list[tuple[str, int, str]], there: list[tuple[str, int, str]]
) -> None:
    with tempfile.TemporaryDirectory(dir=start.parent) as scratch:
        folders = [Path(scratch) / name for name in ("here", "there")]
        before = []
        for folder, steps, second in zip(folders, (here, there), (0, 1), strict=True):
            shutil.copytree(start, folder)
            clock = ManualClock()
            clock.move(hours=3, seconds=second)
            with vault.unlock(folder, PASSPHRASE) as opened:
                act(opened.store(clock=clock), clock, steps)
                before.append(contents(opened))
        for folder, other in (folders, folders[::-1]):
            shutil.copyfile(other / "journal.qpv", folder / "copy.bin")
        after = []
        for folder in folders:
            (folder / "copy.bin").rename(folder / COPY)
            with vault.unlock(folder, PASSPHRASE) as opened:
                join_into(opened)
                after.append(contents(opened))
                shutil.copyfile(folder / "merged" / COPY, folder / COPY)
                again = join_into(opened)
                assert (again.added, again.joined, again.updated, again.images) == (0, 0, 0, 0)
                assert again.copies == 1
                assert contents(opened) == after[-1]
                report = opened.store().verify()
                assert report.ok, report.problems
        for result in after:
            assert set(result) == set(before[0]) | set(before[1])
            for entry_id, merged in result.items():
                kept = {merged.text} | {version.text for version in merged.versions}
                states = [side[entry_id] for side in before if entry_id in side]
                for state in states:
                    assert {state.text} | {version.text for version in state.versions} <= kept
                    assert set(state.tags) <= set(merged.tags)
                    assert {picture.id for picture in state.pictures} <= {picture.id for picture in merged.pictures}
                    others = [version.text for other in states for version in other.versions]
                    if state.text not in others:  # not merely an earlier state of the other side
                        assert words(state.text.decode("utf-8", "surrogatepass")) <= words(
                            merged.text.decode("utf-8", "surrogatepass")
                        )
                if any(state.valence for state in states):
                    assert merged.valence in {state.valence for state in states}
        for entry_id, one in after[0].items():
            other = after[1][entry_id]
            assert (one.text, one.deleted_utc, set(one.tags)) == (other.text, other.deleted_utc, set(other.tags))


def test_entries_come_with_everything_and_can_be_searched(folder: Path, journal: Vault, store: JournalStore) -> None:
    entry = store.new_entry("Common words")
    journal.lock()
    here, there = split(folder, "here", "there")

    def away(there: JournalStore, clock: ManualClock) -> None:
        clock.move(hours=1)
        new = there.new_entry("An evening by the sea 바닷가", mood=Mood(4, 2), tags=["sea"], local_date="2026-01-02")
        clock.move(hours=1)
        there.save_text(new.id, "A long evening by the sea 바닷가 " * 500)
        there.add_image(new.id, PNG + b"sea" * 4000)
        there.add_image(entry.id, PNG + b"more")
        there.save_correction(Correction(new.id, "feelings", "joy", "accept"))
        there.set_setting("only there", [1, 2])
        there.set_setting("both", "there")

    write(there, away)
    write(here, lambda store, _: store.set_setting("both", "here"))
    shutil.copyfile(there / "journal.qpv", here / COPY)
    with vault.unlock(here, PASSPHRASE) as opened:
        assert join_into(opened) in (MergeReport(1, 0, 1, 2, 1, 0), MergeReport())  # joined at opening, or now
        store = opened.store()
        (hit,) = store.search("바닷가")
        found = store.entry(hit.entry_id)
        assert found is not None
        assert found.text == "A long evening by the sea 바닷가 " * 500
        assert (found.local_date, found.mood, found.tags) == ("2026-01-02", Mood(4, 2), ("sea",))
        assert [v.text for v in store.revisions(found.id)][1] == "An evening by the sea 바닷가"
        assert store.image(store.images(found.id)[0].id) == PNG + b"sea" * 4000
        assert len(store.images(entry.id)) == 1
        assert [c.verdict for c in store.corrections(found.id)] == ["accept"]
        assert (store.setting("only there"), store.setting("both")) == ([1, 2], "here")
        assert (found.id, found.revision) in store.pending()
        assert store.verify().ok


# what sync programs leave -----------------------------------------------------------------------


NAMES = (
    "journal (conflicted copy 2026-03-14).qpv",
    "journal (Computer's conflicted copy 2026-03-14).qpv",
    "journal.sync-conflict-20260314-210500-ABCDEF.qpv",
    "journal-DESKTOP.qpv",
    "journal (1).qpv",
    "journal (conflicted copy 2026-03-14 210500).qpv",
    "journal.kept-20260314T120500Z.qpv",
)


def test_copies_of_every_sync_program_are_known_and_nothing_else(folder: Path) -> None:
    (folder / "merged").mkdir(parents=True)
    (folder / "backups").mkdir()
    others = (
        "journal.qpv", "journal.qpv-wal", "journal.qpv-shm", "keys.json", ".quietpage-new-00.qpv",
        "merged/journal (2).qpv", "backups/journal.qpv", "journal (1).qpv-wal", "notes.txt",
    )  # fmt: skip
    for name in (*NAMES, *others):
        (folder / name).write_bytes(b"x")
    (folder / "link.qpv").symlink_to(folder / "journal.qpv")
    (folder / "journal.sync-conflict-1.qpv-wal").write_bytes(b"x")
    assert [path.name for path in merge.copies(folder)] == sorted(NAMES)
    assert [path.name for path in merge.logs(folder)] == ["journal.sync-conflict-1.qpv-wal"]
    assert merge.copies(folder / "nowhere") == []


@pytest.fixture
def two(start: Path, tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(start, tmp_path / "start")
    here, there = split(tmp_path / "start", "here", "there")
    write(there, lambda store, _: store.new_entry("Written there 저기서"))
    return here, there


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_joined_and_moved_not_removed(two: tuple[Path, Path], name: str) -> None:
    here, there = two
    data = (there / "journal.qpv").read_bytes()
    (here / name).write_bytes(data)
    with vault.unlock(here, PASSPHRASE) as opened:
        join_into(opened)
        assert "Written there 저기서" in {entry.text for entry in opened.store().entries()}
        assert not (here / name).exists()
        assert (here / "merged" / name).read_bytes() == data
        # The same name once more: the first is not replaced.
        (here / name).write_bytes(data)
        assert join_into(opened) == MergeReport(copies=1)
        assert len(list((here / "merged").iterdir())) == 2


def test_a_copy_brings_its_log(two: tuple[Path, Path]) -> None:
    here, there = two
    with vault.unlock(there, PASSPHRASE) as away:
        away.store().new_entry("Still in the log")
        shutil.copyfile(there / "journal.qpv", here / COPY)
        shutil.copyfile(there / "journal.qpv-wal", here / f"{COPY}-wal")
    with vault.unlock(here, PASSPHRASE) as opened:
        join_into(opened)
        assert {"Still in the log", "Written there 저기서"} <= {entry.text for entry in opened.store().entries()}
        assert sorted(path.name for path in (here / "merged").iterdir()) == [COPY, f"{COPY}-wal"]


def test_what_does_not_open_is_left_and_counted(two: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = two
    data = (there / "journal.qpv").read_bytes()
    foreign, _ = vault.create(tmp_path / "foreign", PASSPHRASE, kdf=KdfParams.fast())
    foreign.store().new_entry("Another person's")
    foreign.lock()
    damaged = bytearray(data)
    damaged[5 * 4096 + 100] ^= 1
    left = {
        "journal (1).qpv": (tmp_path / "foreign" / "journal.qpv").read_bytes(),
        "journal (2).qpv": bytes(damaged),
        "journal (3).qpv": data[: len(data) - 4096],
        "journal (4).qpv": b"",
        "journal (5).qpv": b"SQLite format 3\x00" + bytes(4096),
        "journal (6).qpv-wal": b"\x00" * 9000,
    }
    for name, content in left.items():
        (here / name).write_bytes(content)
    with vault.unlock(here, PASSPHRASE) as opened:
        before = contents(opened)
        assert join_into(opened) == MergeReport(left=len(left))
        assert contents(opened) == before
    assert {name: (here / name).read_bytes() for name in left} == left


def test_a_log_whose_file_is_gone_still_gives_its_words(two: tuple[Path, Path], tmp_path: Path) -> None:
    here, there = two
    long = "".join(f"Line {n} of a long text 긴 글\n" for n in range(900))
    write(here, lambda store, _: [store.new_entry(f"Written here {n}") for n in range(30)])
    with vault.unlock(there, PASSPHRASE) as away:
        store = away.store()
        store.new_entry(long)
        store.new_entry("Short, in the log")
        known = next(entry for entry in store.entries() if entry.text.startswith("Entry 0"))
        store.save_text(known.id, f"{known.text}\nand more, there")
        picture = store.add_image(known.id, PNG + b"z" * 9000)
        lone = here / "journal.sync-conflict-20260314-210500-ABCDEF.qpv-wal"
        shutil.copyfile(there / "journal.qpv-wal", lone)
        stray = tmp_path / "stray.qpv-wal"
        shutil.copyfile(lone, stray)
    with vault.unlock(here, PASSPHRASE) as opened:
        join_into(opened)
        store = opened.store()
        texts = {entry.text for entry in store.entries()}
        assert {long, "Short, in the log", f"{known.text}\nand more, there"} <= texts
        assert store.image(picture.id) == PNG + b"z" * 9000
        assert sum(text.startswith("Written here") for text in texts) == 30
        assert (here / "merged" / lone.name).exists()
        before = contents(opened)
        assert join_into(opened, stray) == MergeReport(copies=1)
        assert stray.exists()
        assert contents(opened) == before
        assert store.verify().ok


def test_a_log_cut_anywhere_gives_whole_texts_or_beginnings(two: tuple[Path, Path], tmp_path: Path) -> None:
    """Frames of a log may arrive in part: nothing mixed of two moments is ever taken for a text."""
    here, there = two
    write(here, lambda store, _: [store.new_entry("Filler 채움 " * 900) for _ in range(4)])
    said = "".join(f"Sentence {n} 문장 " for n in range(800))
    with vault.unlock(there, PASSPHRASE) as away:
        store = away.store()
        for n in range(4):
            store.new_entry(f"{n} {said}")
        log = (there / "journal.qpv-wal").read_bytes()
    with vault.unlock(here, PASSPHRASE) as opened:
        before = contents(opened)
        frames = (len(log) - 32) // 4120
        for count in range(1, frames, 3):
            stray = tmp_path / "stray.qpv-wal"
            stray.write_bytes(log[: 32 + count * 4120])
            join_into(opened, stray)
            for entry_id, entry in contents(opened).items():
                if entry_id not in before:
                    text = entry.text.decode()
                    assert any(f"{n} {said}".startswith(text) for n in range(4)), count
        after = {entry.text.decode() for entry_id, entry in contents(opened).items() if entry_id not in before}
        assert {f"{n} {said}" for n in range(3)} <= after
