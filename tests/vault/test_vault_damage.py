"""Every page of a small journal broken in turn: it is noticed and named, and all the rest comes back.

What must come back is computed from the intact file: the pages on which each row lies.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from journal_app.vault import keys, salvage, vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.log import PAGE, Log
from journal_app.vault.pages import Pages
from journal_app.vault.records import (
    Correction,
    DamagedVault,
    Mood,
    ReadOnlyVault,
    VaultError,
    VaultLocked,
    WrongPassphrase,
)
from journal_app.vault.salvage import Rescue, rescue
from journal_app.vault.search import fold
from journal_app.vault.store import JournalStore, name_pages
from journal_app.vault.vault import Vault
from journal_app.vault.whole import Rows, Whole
from tests.vault.conftest import PASSPHRASE, ManualClock

PNG = b"\x89PNG\r\n\x1a\n"
FRAME = PAGE + 24
FILES = ("journal.qpv", "journal.qpv-wal", "keys.json", "keys.copy.json")
SHORT = (
    "Slept badly, Walked anyway.",
    "오늘은 조용한 하루였다. 각각",
    "海まで歩いた。カフェ",
    "Müde, aber GRÜSSE an Alle",
    "صباح هادئ",
    "emoji 🌧️ and a lone \ud83d half",
)


@dataclass(frozen=True)
class Ground:
    """An intact journal, and on which pages each of its rows lies."""

    folder: Path
    key: bytes
    wholes: dict[str, Whole]
    pictures: dict[str, bytes]
    code: str = ""
    count: int = 0
    rows: dict[str, set[int]] = field(default_factory=dict)
    """Pages of each entry's own row."""
    versions: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    tags: dict[str, set[int]] = field(default_factory=dict)
    corrections: dict[str, set[int]] = field(default_factory=dict)
    images: dict[str, set[int]] = field(default_factory=dict)
    settings: set[int] = field(default_factory=set)


def fill(store: JournalStore, clock: ManualClock) -> None:
    for n in range(26):
        clock.move(minutes=20)
        entry = store.new_entry(f"{n}: {SHORT[n % len(SHORT)]} " * (1 + n % 5), tags=["Quiet", SHORT[n % 5][:6]])
        if n % 4 == 0:
            store.save_text(entry.id, f"{entry.text}\nAnd More.")
            clock.move(hours=1)
            store.save_text(entry.id, f"Another Text {n} {SHORT[n % 5]}")
        if n % 6 == 1:
            store.set_mood(entry.id, Mood(1 + n % 5, 5))
            store.set_flags(entry.id, for_therapist=True, read_me=False)
            store.save_correction(Correction(entry.id, "feelings", "joy", "remove"))
        if n == 9:
            store.delete(entry.id)
        if n == 12:
            store.add_image(entry.id, PNG + random.Random(5).randbytes(9_000))
            store.add_image(entry.id, PNG + b"small")
    for n, size in enumerate((5_000, 9_500, 14_000)):
        clock.move(hours=1)
        text = "".join(f"Sentence {k} Of A Long Text {SHORT[(k + n) % 5]}\n" for k in range(size // 60))
        entry = store.new_entry(text, tags=["Long"])
        if n == 0:
            clock.move(hours=1)
            store.save_text(entry.id, text.replace("Sentence", "Satz"))
    store.set_setting("colour", {"name": "Ink"})


def contents(opened: Vault) -> dict[str, Whole]:
    connection = opened.connection()
    try:
        return {whole.id: whole for whole in Rows(connection).entries()}
    finally:
        connection.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ground, Ground]:
    """Two grounds with the same content: all of it in the file, and nearly all of it in the log."""
    folder = tmp_path_factory.mktemp("ground") / "journal"
    opened, code = vault.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    clock = ManualClock()
    store = opened.store(clock=clock)
    fill(store, clock)
    wholes = contents(opened)
    pictures = {p.id: store.image(p.id) or b"" for whole in wholes.values() for p in whole.pictures}
    key = bytes(opened._key)
    logged = folder.parent / "logged"
    shutil.copytree(folder, logged)
    (logged / "journal.session").unlink(missing_ok=True)
    opened.lock()
    grounds = []
    for place in (folder, logged):
        ground = Ground(place, key, wholes, pictures, code)
        with Pages.open(place / "journal.qpv", key, place / "journal.qpv-wal") as pages:
            assert pages.bad == ()
            numbers = {}
            records = list(pages.records())
            for record in records:
                if record.table == "entry":
                    numbers[record.row] = record.values[1]
                    ground.rows[record.values[1]] = set(record.pages)
            for record in records:
                if record.table == "revision":
                    ground.versions[numbers[record.values[0]], record.values[1]] = set(record.pages)
                elif record.table in ("tag", "correction"):
                    of = ground.tags if record.table == "tag" else ground.corrections
                    of.setdefault(numbers[record.values[0]], set()).update(record.pages)
                elif record.table == "image":
                    ground.images[record.values[1]] = set(pages.whole(record).pages)
                elif record.table == "setting":
                    ground.settings.update(record.pages)
            grounds.append(replace(ground, count=pages.count))
    return grounds[0], grounds[1]


@pytest.fixture
def ground(made: tuple[Ground, Ground]) -> Ground:
    return made[0]


@pytest.fixture
def logged(made: tuple[Ground, Ground]) -> Ground:
    return made[1]


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Bench:
    """A place in which one broken copy after another is tried."""

    def __init__(self, ground: Ground, place: Path) -> None:
        self.ground = ground
        self.folder = place / "broken"
        self.target = place / "rescued"
        self.original = {name: (ground.folder / name).read_bytes() for name in FILES if (ground.folder / name).exists()}

    def lay(self, **changed: bytes) -> None:
        for path in (self.folder, self.target):
            shutil.rmtree(path, ignore_errors=True)
        self.folder.mkdir()
        for name, data in self.original.items():
            (self.folder / name).write_bytes(changed.get(name.replace(".", "_").replace("-", "_"), data))
        self.laid = {name: (self.folder / name).read_bytes() for name in self.original}

    def noticed(self) -> str:
        """Open and check; return "closed" if it does not open, else what the check says, and prove nothing changed."""
        try:
            with vault.unlock(self.folder, PASSPHRASE) as opened:
                said = " ".join(opened.store().verify().problems)
        except DamagedVault:
            said = "closed"
        assert {name: (self.folder / name).read_bytes() for name in self.laid} == self.laid
        return said

    def rescue(self) -> Rescue:
        before = hashes(self.folder)
        try:
            found = rescue(self.folder, PASSPHRASE, self.target)
        finally:
            assert hashes(self.folder) == before
            assert not [path for path in self.target.parent.iterdir() if path.name.startswith(".")]
        assert sorted(path.name for path in self.target.iterdir()) == ["journal.qpv", "keys.copy.json", "keys.json"]
        assert not (self.target / "journal.qpv").read_bytes().startswith(b"SQLite")
        return found

    def check(self, bad: set[int], found: Rescue, *, lost_words: bool = False) -> set[str]:
        """Compare what was rescued with what does not lie on ``bad`` pages; return the entries not whole."""
        ground = self.ground
        broken: set[str] = set()
        with vault.unlock(self.target, PASSPHRASE) as opened:
            assert opened.read_only
            got = contents(opened)
            store = opened.store()
            report = store.verify()
            assert report.ok, report.problems
            assert (report.entries, report.revisions) == (found.entries, found.revisions)
            for entry_id, whole in ground.wholes.items():
                versions = [v for v in whole.versions if not ground.versions[entry_id, v.revision] & bad]
                if len(versions) < len(whole.versions):
                    broken.add(entry_id)
                if ground.rows[entry_id] & bad:
                    broken.add(entry_id)
                    if not lost_words:
                        kept = {fold(v.text) for v in store.revisions(entry_id)}
                        assert fold(whole.text.decode("utf-8", "surrogatepass")) in kept
                    continue
                one = got[entry_id]
                assert own_row(one) == own_row(whole)
                assert [v for v in one.versions if v in versions] == versions
                if not ground.tags.get(entry_id, set()) & bad:
                    assert one.tags == whole.tags
                if not ground.corrections.get(entry_id, set()) & bad:
                    assert one.corrections == whole.corrections
            for picture_id, data in ground.pictures.items():
                if not ground.images[picture_id] & bad:
                    assert store.image(picture_id) == data
            if not ground.settings & bad:
                assert store.setting("colour") == {"name": "Ink"}
        return broken


def own_row(whole: Whole) -> Whole:
    return replace(whole, versions=(), tags=(), corrections=(), pictures=(), analysis=None)


@pytest.fixture
def bench(ground: Ground, tmp_path: Path) -> Bench:
    return Bench(ground, tmp_path)


def flip(data: bytes, at: int, bit: int = 3) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_the_ground_is_worth_breaking(ground: Ground, logged: Ground) -> None:
    assert 25 <= ground.count <= 60
    assert sum(len(pages) > 1 for pages in ground.rows.values()) >= 3
    assert len({min(pages) for pages in ground.rows.values()}) >= 3
    assert max(len(pages) for pages in ground.images.values()) >= 3
    assert any(len(pages) > 1 for pages in ground.versions.values())
    assert ground.wholes == logged.wholes
    assert (logged.folder / "journal.qpv-wal").stat().st_size > 60 * FRAME


def test_damaged_pages_are_named_one_by_one_up_to_a_dozen() -> None:
    assert name_pages([12], 40) == "Page 12 of 40 in the journal file fails its authentication check."
    assert name_pages([1, 2], 40).startswith("Pages 1, 2 of 40 ")
    assert name_pages(range(1, 21), 40).startswith("Pages 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more of 40 ")


@pytest.mark.parametrize("way", ["flip", "zero"])
def test_every_page_broken_is_named_and_all_the_rest_comes_back(bench: Bench, way: str) -> None:
    data = bench.original["journal.qpv"]
    chance = random.Random(way)
    cut_entries = 0
    for number in range(1, bench.ground.count + 1):
        start = (number - 1) * PAGE
        if way == "zero":
            broken = data[:start] + bytes(PAGE) + data[start + PAGE :]
        else:
            broken = flip(data, start + chance.randrange(16 if number == 1 else 0, PAGE), chance.randrange(8))
        bench.lay(journal_qpv=broken)
        said = bench.noticed()
        assert said == "closed" or f"Page {number} of {bench.ground.count} " in said, number
        found = bench.rescue()
        assert (found.bad_pages, found.pages) == ((number,), bench.ground.count)
        assert found.entries == len(bench.ground.wholes)
        assert found.lost == 0
        missing = bench.check({number}, found)
        rows = {entry_id for entry_id, pages in bench.ground.rows.items() if number in pages}
        # A version whose leaf is lost leaves no trace, and one that is cut marks its entry.
        assert len(rows) <= found.cut <= len(missing) + sum(number in pages for pages in bench.ground.images.values())
        cut_entries += found.cut
        assert found.checked == (way == "flip" or number > 1)
    assert cut_entries >= len(bench.ground.wholes)


def test_the_file_cut_at_every_page_is_noticed_and_what_is_left_comes_back(bench: Bench) -> None:
    data = bench.original["journal.qpv"]
    whole = 0
    for kept in range(bench.ground.count):
        bench.lay(journal_qpv=data[: kept * PAGE])
        assert bench.noticed() == "closed"
        lost = set(range(kept + 1, bench.ground.count + 1))
        if kept == 0:
            with pytest.raises(DamagedVault):
                bench.rescue()
            assert not bench.target.exists()
            continue
        found = bench.rescue()
        assert (found.bad_pages, found.pages) == (tuple(sorted(lost)), bench.ground.count)
        missing = bench.check(lost, found, lost_words=True)
        whole += len(bench.ground.wholes) - len(missing)
    assert whole > 100


def test_pages_are_never_put_together_wrongly(bench: Bench) -> None:
    """Two pages exchanged: each is authentic, in another place; neither may be taken."""
    data = bench.original["journal.qpv"]
    one, two = sorted(next(pages for pages in bench.ground.rows.values() if len(pages) > 1))[:2]
    pages = [data[i : i + PAGE] for i in range(0, len(data), PAGE)]
    pages[one - 1], pages[two - 1] = pages[two - 1], pages[one - 1]
    bench.lay(journal_qpv=b"".join(pages))
    found = bench.rescue()
    assert found.bad_pages == (one, two)
    bench.check({one, two}, found)


def test_the_salt_with_a_flipped_bit_costs_nothing(bench: Bench) -> None:
    data = bench.original["journal.qpv"]
    for at in range(16):
        bench.lay(journal_qpv=flip(data, at, at % 8))
        assert bench.noticed() == "closed"
        found = bench.rescue()
        assert (found.bad_pages, found.checked, found.cut) == ((1,), True, 0)
        assert bench.check({1}, found) == set()


def test_without_the_first_page_what_cannot_be_authenticated_must_agree_with_the_search_text(bench: Bench) -> None:
    """The salt is lost, so no page can be checked; a text with a flipped bit is still not passed off as whole."""
    data = bytes(PAGE) + bench.original["journal.qpv"][PAGE:]
    entry_id, pages = next(item for item in bench.ground.rows.items() if len(item[1]) > 2)
    overflow = next(
        page for page in sorted(pages) if page not in {min(p) for p in bench.ground.rows.values() if len(p) == 1}
    )
    bench.lay(journal_qpv=flip(data, (overflow - 1) * PAGE + 2_000))
    found = bench.rescue()
    assert not found.checked
    assert found.cut >= 1
    bench.check({1, overflow}, found)
    text = bench.ground.wholes[entry_id].text.decode()
    with vault.unlock(bench.target, PASSPHRASE) as opened:
        entry = opened.store().entry(entry_id)
        assert entry is not None
        assert fold(text) in fold(entry.text) or fold(text) == fold(entry.text)


def test_many_pages_lost_at_once(bench: Bench) -> None:
    data = bench.original["journal.qpv"]
    chance = random.Random(11)
    for _ in range(12):
        bad = set(chance.sample(range(1, bench.ground.count + 1), 8))
        broken = data
        for number in bad:
            start = (number - 1) * PAGE
            broken = broken[:start] + chance.randbytes(PAGE) + broken[start + PAGE :]
        bench.lay(journal_qpv=broken)
        said = bench.noticed()
        assert said == "closed" or all(str(number) in said for number in bad)
        found = bench.rescue()
        if found.checked:
            assert set(found.bad_pages) == bad
        bench.check(bad, found, lost_words=True)


# the log --------------------------------------------------------------------------------------------


@pytest.fixture
def log_bench(logged: Ground, tmp_path: Path) -> Bench:
    return Bench(logged, tmp_path)


def frames(ground: Ground) -> list[tuple[int, int]]:
    """Return number and commit of each frame."""
    log = Log(ground.folder / "journal.qpv-wal")
    log.close()
    return [(frame.number, frame.commit) for frame in log.frames]


def log_is_damaged(bench: Bench) -> bool:
    """Ask what is asked at every opening."""
    try:
        salvage.check_log(bench.folder, bench.ground.key, keys.decode(bench.original["keys.json"]).vault_id)
    except DamagedVault:
        assert salvage.damage(bench.folder, bench.ground.key).log
        return True
    assert not salvage.damage(bench.folder, bench.ground.key).log
    return False


def test_what_is_in_the_log_only_is_rescued(log_bench: Bench) -> None:
    log_bench.lay()
    assert not salvage.damage(log_bench.folder, log_bench.ground.key)
    found = log_bench.rescue()
    assert (found.bad_pages, found.cut, found.log) == ((), 0, False)
    assert log_bench.check(set(), found) == set()


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_every_frame_of_the_log_broken_is_noticed_and_the_rest_comes_back(log_bench: Bench, every: int) -> None:
    """SQLite would drop that save and all later ones without a word."""
    log = log_bench.original["journal.qpv-wal"]
    known = frames(log_bench.ground)
    newest = {number: index for index, (number, _) in enumerate(known)}
    last = max(index for index, (_, commit) in enumerate(known[:-1]) if commit) + 1
    chance = random.Random(3)
    rescued = 0
    for index, (number, _) in enumerate(known):
        if index % every and index < last - 5:
            continue
        log_bench.lay(journal_qpv_wal=flip(log, 32 + index * FRAME + 24 + chance.randrange(PAGE)))
        # The last transaction (here: a setting) cannot be told from one that a power cut interrupted.
        assert log_is_damaged(log_bench) == (index < last), index
        if index >= last:
            continue
        assert log_bench.noticed() == "closed"
        found = log_bench.rescue()
        assert found.log
        bad = {number} if newest[number] == index else set()
        assert set(found.bad_pages) == bad
        log_bench.check(bad, found, lost_words=True)
        assert found.entries == len(log_bench.ground.wholes)
        rescued += 1
    assert rescued > 20


def test_every_byte_of_the_logs_headers_is_watched(log_bench: Bench) -> None:
    log = log_bench.original["journal.qpv-wal"]
    known = frames(log_bench.ground)
    places = list(range(32))
    middle = len(known) // 2
    for index in (0, middle, middle + 1):
        places += range(32 + index * FRAME, 32 + index * FRAME + 24)
    for at in places:
        log_bench.lay(journal_qpv_wal=flip(log, at, at % 8))
        assert log_is_damaged(log_bench), at
    for at in (0, 17, 30, 32, 32 + middle * FRAME + 1, 32 + middle * FRAME + 9, 32 + middle * FRAME + 20):
        log_bench.lay(journal_qpv_wal=flip(log, at))
        found = log_bench.rescue()
        assert found.entries == len(log_bench.ground.wholes)
        assert found.log


def test_a_log_cut_anywhere_is_an_earlier_moment_and_no_damage(log_bench: Bench) -> None:
    log = log_bench.original["journal.qpv-wal"]
    seen = 0
    for count in range(0, len(frames(log_bench.ground)), 5):
        log_bench.lay(journal_qpv_wal=log[: 32 + count * FRAME + count % 7 * 500])
        assert not log_is_damaged(log_bench)
        found = log_bench.rescue()
        assert found.bad_pages == ()
        assert found.entries >= seen
        seen = found.entries
    assert seen > 20


def test_log_and_file_broken_together(log_bench: Bench) -> None:
    """The first page is lost in the file; the log has a newer one, and with it the salt."""
    data = log_bench.original["journal.qpv"]
    log_bench.lay(journal_qpv=bytes(PAGE) + data[PAGE:])
    assert log_bench.noticed() == "closed"
    found = log_bench.rescue()
    assert (found.checked, found.bad_pages) == (True, (1,))
    assert log_bench.check({1}, found) == set()


# who may, and where to -------------------------------------------------------------------------------


def test_every_secret_rescues_and_a_wrong_one_changes_nothing(bench: Bench) -> None:
    bench.lay(journal_qpv=flip(bench.original["journal.qpv"], 5 * PAGE))
    before = hashes(bench.folder)
    with pytest.raises(WrongPassphrase):
        rescue(bench.folder, "another passphrase", bench.target)
    assert not bench.target.exists()
    assert hashes(bench.folder) == before
    rescue(bench.folder, bench.ground.code, bench.target)
    for secret in (PASSPHRASE, bench.ground.code):
        with vault.unlock(bench.target, secret) as opened:
            assert len(contents(opened)) == len(bench.ground.wholes)


def test_without_keys_there_is_nothing_to_rescue(bench: Bench) -> None:
    file = bench.original["keys.json"]
    bench.lay(keys_json=flip(file, 40))
    assert bench.rescue().entries == len(bench.ground.wholes)  # the second copy
    bench.lay(keys_json=flip(file, 40), keys_copy_json=flip(file, 90))
    with pytest.raises(DamagedVault):
        rescue(bench.folder, PASSPHRASE, bench.target)
    assert not bench.target.exists()


def test_another_journals_file_gives_nothing(bench: Bench, tmp_path: Path) -> None:
    other, _ = vault.create(tmp_path / "other", PASSPHRASE, kdf=KdfParams.fast())
    other.store().new_entry("not this one")
    other.lock()
    for data in ((tmp_path / "other" / "journal.qpv").read_bytes(), random.Random(1).randbytes(9 * PAGE), b""):
        bench.lay(journal_qpv=data)
        with pytest.raises(DamagedVault):
            bench.rescue()
        assert not bench.target.exists()


def test_an_unencrypted_file_is_refused(bench: Bench) -> None:
    bench.lay(journal_qpv=b"SQLite format 3\x00" + bench.original["journal.qpv"][16:])
    with pytest.raises(DamagedVault, match="not encrypted"):
        bench.rescue()


def test_the_target_must_be_empty_and_outside(bench: Bench) -> None:
    bench.lay()
    bench.target.mkdir()
    (bench.target / "something").write_text("of somebody")
    with pytest.raises(VaultError, match="already"):
        rescue(bench.folder, PASSPHRASE, bench.target)
    assert [path.name for path in bench.target.iterdir()] == ["something"]
    with pytest.raises(VaultError, match="inside"):
        rescue(bench.folder, PASSPHRASE, bench.folder / "rescued")
    (bench.target / "something").unlink()
    assert rescue(bench.folder, PASSPHRASE, bench.target).entries == len(bench.ground.wholes)


def test_a_journal_that_is_open_is_not_rescued(folder: Path, journal: Vault, tmp_path: Path) -> None:
    with pytest.raises(VaultLocked):
        rescue(folder, PASSPHRASE, tmp_path / "rescued")
    assert not (tmp_path / "rescued").exists()


def test_what_was_rescued_can_be_read_and_not_changed(bench: Bench) -> None:
    bench.lay()
    bench.rescue()
    with vault.unlock(bench.target, PASSPHRASE) as opened:
        store = opened.store()
        entry = store.entries()[0]
        assert len(store.search("SENTENCE")) == 2
        writes: tuple[Callable[[], object], ...] = (
            lambda: store.new_entry("new"),
            lambda: store.save_text(entry.id, "changed"),
            lambda: store.delete(entry.id),
            lambda: store.set_setting("colour", 1),
        )
        for write in writes:
            with pytest.raises(ReadOnlyVault):
                write()
        assert store.entry(entry.id) == entry


def test_what_the_writer_removed_for_good_does_not_come_back(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "emptied"
    opened, _ = vault.create(folder, PASSPHRASE, kdf=KdfParams.fast())
    with opened:
        clock = ManualClock()
        store = opened.store(clock=clock)
        for n in range(40):
            entry = store.new_entry(f"{n} to be forgotten " * (n * 10))
            if n % 2:
                store.delete(entry.id)
        clock.move(days=31)
        assert store.empty_bin() == 20
    data = (folder / "journal.qpv").read_bytes()
    (folder / "journal.qpv").write_bytes(bytes(PAGE) + data[PAGE:])  # even where rows are told by their form alone
    assert rescue(folder, PASSPHRASE, tmp_path / "rescued").entries == 20
