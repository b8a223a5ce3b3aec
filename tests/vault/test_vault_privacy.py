"""No word of the journal, in any encoding, is in any byte that was written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from journal_app.vault import vault
from journal_app.vault.keys import KdfParams
from journal_app.vault.records import Correction, Mood

CANARIES = ("zanzibarrow", "카나리아새", "金絲雀鳥", "quokkatag", "wombatsetting", "platypusmood", "emudraft")


def leaks(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for word in CANARIES:
                for coding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
                    for form in (word, word.upper()):
                        if form.encode(coding) in data:
                            found.append(f"{path.name}: {coding}")
            # Trigrams of the search index would be as telling; one that random bytes do not make by chance.
            if b"zanzib" in data.lower():
                found.append(f"{path.name}: part of a word")
    return found


def test_canaries_are_in_no_file_while_open_nor_after(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    made, _ = vault.create(folder, "platypusmood passphrase", kdf=KdfParams.fast())
    store = made.store()
    entry = store.new_entry("zanzibarrow 카나리아새 金絲雀鳥 " * 50, tags=["quokkatag"], mood=Mood(2))
    store.set_setting("wombatsetting", {"draft": "emudraft"})
    store.save_correction(Correction(entry.id, "feelings", "platypusmood", "add"))
    for i in range(30):
        store.save_text(entry.id, f"zanzibarrow {i} emudraft 카나리아새 " * (i + 1))
        store.search("zanzibarrow 카나 emudraft")
    with store._db.transaction():
        store._index.catch_up(10)
    store.days()
    wal = folder / f"{vault.DATABASE}-wal"
    assert wal.stat().st_size > 10_000
    assert leaks(folder) == []
    assert store.verify().ok
    made.lock()
    assert leaks(tmp_path) == []
    assert (folder / vault.DATABASE).stat().st_size > 20_000


def test_the_scan_would_notice(tmp_path):
    (tmp_path / "plain").write_text("a zanzibarrow", encoding="utf-16-le")
    assert "plain: utf-16-le" in leaks(tmp_path)


def test_errors_and_streams_hold_no_words(folder, tmp_path):
    """A program that meets trouble prints neither text nor path nor passphrase."""
    made, _ = vault.create(folder, "platypusmood passphrase", kdf=KdfParams.fast())
    made.store().new_entry("zanzibarrow")
    made.lock()
    program = (
        "import pathlib, sys, logging\n"
        "logging.basicConfig(level=0)\n"
        "from journal_app.vault import vault\n"
        "for secret in sys.stdin.read().splitlines():\n"
        "    try:\n"
        "        with vault.unlock(pathlib.Path(sys.argv[1]), secret) as v: v.store().search('zanzibarrow')\n"
        "    except Exception as error: print(repr(error))\n"
    )

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            input="platypusmood passphrase\nemudraft\n",
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONDEVMODE": "1"},
        )
        return done.stdout + done.stderr

    outputs = run()
    assert "WrongPassphrase" in outputs
    path = folder / vault.DATABASE
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    outputs += run()
    assert "DamagedVault" in outputs
    for word in (*CANARIES, str(tmp_path)):
        assert word not in outputs
    assert "sqlcipher" not in outputs.lower()
