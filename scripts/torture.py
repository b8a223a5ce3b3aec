"""Kill the app with -9 at random moments and see what is left -> build/reports/torture.json.

Each round starts ``torture_app`` in a process of its own (the real window and saver where somebody types), kills it
at a moment drawn from the seed, and opens the journal again: it must open, every check must hold, everything
that was promised must be there, and of what was typed nothing older than a second may be missing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from journal_app.vault import backup, keys, vault  # noqa: E402
from journal_app.vault import folder as folders  # noqa: E402
from journal_app.vault.keys import KdfParams  # noqa: E402
from journal_app.vault.records import VaultError, VaultMissing, WrongPassphrase  # noqa: E402
from journal_app.vault.schema import CURRENT  # noqa: E402
from journal_app.vault.store import JournalStore  # noqa: E402
from scripts import reports  # noqa: E402
from scripts.torture_app import FIRST, SECOND, stream  # noqa: E402

FAST = KdfParams.fast()
SECOND_S = 1.0
FIXTURES = ROOT / "tests" / "files"
FIXTURE = "a fixture passphrase"
# How often each scenario comes, and how long after it is ready it may live, in seconds.
SCENARIOS: dict[str, tuple[int, float]] = {
    "typing": (5, 2.5),
    "lock": (3, 3.0),
    "backup": (3, 2.5),
    "slots": (2, 0.4),
    "rekey": (2, 0.5),
    "restore": (2, 0.4),
    "migration": (2, 0.12),
    "creation": (1, 0.1),
}


@dataclass
class Outcome:
    """What one round came to; empty = nothing wrong."""

    scenario: str
    not_opened: str = ""
    integrity: str = ""
    missing: str = ""
    lost_over_1s: bool = False
    max_lost_s: float = 0.0
    keys: int = 0
    acks: int = 0

    @property
    def bad(self) -> bool:
        """Whether anything at all is wrong."""
        return bool(self.not_opened or self.integrity or self.missing or self.lost_over_1s)


@dataclass
class Ground:
    """One journal that lives through many rounds, and what it must hold."""

    folder: Path
    home: Path
    entries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What a killed program had said; ``acks``: what it promised, and (``try``) what it was about to change."""

    keys: list[tuple[int, float]]
    acks: list[list[str]]
    died: float
    failed: str


def run(scenario: str, folder: Path, prefix: str, home: Path, lives: float, seed: int) -> Said:
    """Run a scenario until it is killed, ``lives`` seconds after it is ready."""
    names = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME", "TMPDIR")
    environment = {**os.environ, **{name: str(home) for name in names}, "QT_QPA_PLATFORM": "offscreen"}
    child = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "torture_app.py"), scenario, str(folder), prefix, str(seed)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    watch = threading.Timer(60, child.kill)
    watch.start()
    lines = [child.stdout.readline()]
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.extend(child.stdout or ()))
    reader.start()
    time.sleep(lives)
    ended = child.poll() is not None
    died = time.monotonic()
    child.kill()
    child.wait()
    watch.cancel()
    reader.join()
    trouble = child.stderr.read().decode("utf-8", "replace")
    child.stdout.close()
    child.stderr.close()
    lines += rest
    words = [line.decode("ascii").split() for line in lines if line.endswith(b"\n")]
    failed = next((" ".join(w) for w in words if w[:1] == ["failed"]), "")
    if ended and words[-1:] != [["end"]]:
        failed = failed or (trouble.strip().splitlines() or ["ended by itself"])[-1]
    typed = [(int(w[1]), float(w[2])) for w in words if w[:1] == ["k"] and len(w) == 3]
    return Said(typed, [w[1:] if w[0] == "ack" else w for w in words if w[:1] in (["ack"], ["try"])], died, failed)


def check_typed(opened: vault.Vault, said: Said, prefix: str, outcome: Outcome, ground: Ground) -> None:
    """Compare what was typed with what is stored."""
    store = opened.store()
    found = [entry for entry in store.entries() if entry.text.startswith(prefix)]
    text = max((entry.text for entry in found), key=len, default="")
    whole = stream(prefix, said.keys[-1][0] + 1 if said.keys else 0)
    if not whole.startswith(text):
        outcome.missing = "the stored text is not what was typed"
    stored = max(0, len(text) - len(prefix))
    lost = [moment for count, moment in said.keys if count > stored]
    if lost:
        outcome.max_lost_s = max(0.0, said.died - lost[0])
        outcome.lost_over_1s = outcome.max_lost_s > SECOND_S
    promised = max((int(ack[1]) for ack in said.acks if ack[0] == "locked"), default=0)
    if stored < promised:
        outcome.missing = "a lock did not wait for the save"
    for entry in found:
        ground.entries[entry.id] = entry.text
    # The last one: the care that goes on beside may have thinned out those before.
    named = {ack[1] for ack in [ack for ack in said.acks if ack[0] == "backup"][-1:]}
    kept = {b.path.name: b for b in backup.listed(opened.folder)}
    if not named <= set(kept) or any(b.problem for b in kept.values()):
        outcome.missing = "a backup that was made is not there, or one is damaged"
    if len(kept) > 40:
        backup.cycle(opened)


def unlock_any(folder: Path, secrets: list[str]) -> vault.Vault:
    """Open with the first secret that does."""
    for secret in secrets[:-1]:
        try:
            return vault.unlock(folder, secret)
        except WrongPassphrase:
            continue
    return vault.unlock(folder, secrets[-1])


def check(scenario: str, folder: Path, said: Said, prefix: str, outcome: Outcome, ground: Ground) -> None:
    """Open what is left and look at everything that was promised."""
    secrets = [FIXTURE] if scenario == "migration" else [FIRST, SECOND] if scenario == "slots" else [FIRST]
    try:
        opened = unlock_any(folder, secrets)
    except VaultMissing:
        if scenario != "creation" or any(ack[0] != "try" for ack in said.acks):
            outcome.not_opened = "VaultMissing"
        return
    except VaultError as error:
        outcome.not_opened = type(error).__name__
        return
    with opened:
        try:
            look(opened, scenario, said, prefix, outcome, ground)
        except VaultError as error:
            outcome.integrity = type(error).__name__
    if list(folder.glob(".*")) or (folder / folders.SWAP).exists():
        outcome.integrity = outcome.integrity or "something is left over"
    if (folder / vault.DATABASE).read_bytes()[:16] == folders.PLAIN_HEADER:
        outcome.integrity = "not encrypted"


def look(opened: vault.Vault, scenario: str, said: Said, prefix: str, outcome: Outcome, ground: Ground) -> None:
    """Check an opened journal: its own checks, what was promised, and what earlier rounds left."""
    acks = said.acks
    store = opened.store()
    report = store.verify()
    outcome.integrity = "" if report.ok else "; ".join(report.problems)
    if scenario in ("typing", "lock", "backup"):
        check_typed(opened, said, prefix, outcome, ground)
    for ack in acks:
        if ack[0] == "entry":
            if store.entry(ack[1]) is None:
                outcome.missing = "an entry that was promised"
            elif opened.folder == ground.folder:
                ground.entries[ack[1]] = store.entry(ack[1]).text  # type: ignore[union-attr]
    outcome.missing = outcome.missing or wrong_secret(opened, acks)
    if scenario == "migration":
        held = [fixture_texts(version) for version in range(1, CURRENT)]
        if {e.id: e.text for e in store.entries()} not in held:
            outcome.missing = "entries of the old journal"
        if not any(b.reason.startswith("before-") and not b.problem for b in backup.listed(opened.folder)):
            outcome.missing = "the backup from before the migration"
    elif scenario != "creation" and (gone := lacking(store, ground)):
        outcome.missing = f"{gone} entries of earlier rounds"
    if scenario == "restore":
        for aside in sorted(opened.folder.glob("replaced-*"))[-2:]:
            with vault.unlock(aside, FIRST) as replaced:
                if lacking(replaced.store(), ground) or not replaced.store().verify().ok:
                    outcome.missing = "what a restore moved aside is not whole"
    if scenario == "slots":
        opened.change_passphrase(FIRST, kdf=FAST)


def lacking(store: JournalStore, ground: Ground) -> int:
    """Return how many entries of earlier rounds are not as they were."""
    return sum((found := store.entry(e)) is None or found.text != text for e, text in ground.entries.items())


def wrong_secret(opened: vault.Vault, acks: list[list[str]]) -> str:
    """Return which promised secret does not open the journal, or which does though it was taken away; or ""."""
    promised: dict[str, str] = {}
    for what, *rest in acks:
        if what == "try":
            promised.pop(rest[0], None)  # from here to the next promise the old one or the new one may hold
        elif what in ("passphrase", "code", "keyfile"):
            promised[what] = rest[0]
    for what, value in promised.items():
        if what == "passphrase":
            holds, gone = (FIRST, SECOND) if value == "first" else (SECOND, FIRST)
            if not fits(opened, holds) or fits(opened, gone):
                return "the passphrase is not the one that was set last"
        elif not fits(opened, bytes.fromhex(value) if what == "keyfile" else value):
            return f"the {what} that was promised opens nothing"
    return ""


def fits(opened: vault.Vault, secret: str | bytes) -> bool:
    """Tell whether a secret opens the journal."""
    try:
        keys.wipe(keys.open_key(opened.file, secret))
    except VaultError:
        return False
    return True


@cache
def fixture_texts(version: int) -> dict[str, str]:
    """Return the entries of the journal that is kept of a schema version."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "journal"
        shutil.copytree(FIXTURES / f"vault-v{version}", copy)
        with vault.unlock(copy, FIXTURE) as opened:
            return {entry.id: entry.text for entry in opened.store().entries()}


def one_round(number: int, seed: int, scenario: str, ground: Ground) -> Outcome:
    """Run one round on ``ground`` and return what it came to."""
    generator = random.Random(seed * 1_000_003 + number)
    outcome = Outcome(scenario)
    folder = ground.folder
    if scenario == "creation":
        folder = ground.home / f"made-{number}"
    elif scenario == "migration":
        folder = ground.home / f"old-{number}"
        shutil.copytree(generator.choice([FIXTURES / f"vault-v{n}" for n in range(1, CURRENT)]), folder)
    elif scenario == "restore":
        with vault.unlock(folder, FIRST) as opened:
            backup.make(opened)  # of this moment, so that restoring it loses nothing of earlier rounds
    prefix = f"Round {number}: "
    lives = generator.uniform(0.0, SCENARIOS[scenario][1])
    said = run(scenario, folder, prefix, ground.home, lives, generator.randrange(2**31))
    outcome.keys, outcome.acks = len(said.keys), sum(ack[0] != "try" for ack in said.acks)
    if said.failed:
        outcome.missing = f"it failed before it was killed: {said.failed}"
    found = ground.home / f"round-{number}"  # as it was found, in case that something is wrong with it
    if folder.exists():
        shutil.copytree(folder, found, ignore=shutil.ignore_patterns("backups", "replaced-*", "*-shm"))
    check(scenario, folder, said, prefix, outcome, ground)
    if not outcome.bad:
        shutil.rmtree(found, ignore_errors=True)
    for left in (*ground.folder.glob("replaced-*"), *([folder] if folder != ground.folder else [])):
        shutil.rmtree(left, ignore_errors=True)
    return outcome


def torture(rounds: int, seed: int, only: str = "", workers: int = 2, scratch: Path | None = None) -> list[Outcome]:
    """Run ``rounds`` rounds and return their outcomes; each worker has a journal of its own for all of them."""
    base = Path(tempfile.mkdtemp(prefix="quietpage-torture-", dir=scratch))
    # One computer: the mark of a killed program must be taken for our own.
    os.environ["XDG_STATE_HOME"] = str(base / "state")
    bag = [only] if only else [name for name, (weight, _) in SCENARIOS.items() for _ in range(weight)]
    order = [bag[i % len(bag)] for i in range(rounds)]
    random.Random(seed).shuffle(order)
    done: Counter[str] = Counter()

    def work(worker: int) -> list[Outcome]:
        home = base / f"home-{worker}"
        home.mkdir(parents=True)
        ground = Ground(base / f"journal-{worker}", home)
        made, _ = vault.create(ground.folder, FIRST, kdf=FAST)
        made.store().new_entry("Before the first round.")
        made.lock()
        outcomes = []
        for number in range(worker, rounds, workers):
            outcome = one_round(number, seed, order[number], ground)
            outcomes.append(outcome)
            done["rounds"] += 1
            done["bad"] += outcome.bad
            if outcome.bad:
                print(f"\nround {number}, seed {seed}: {outcome}; kept: {base.name}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{done['rounds']}/{rounds}, {done['bad']} bad", end="", file=sys.stderr, flush=True)
        return outcomes

    with ThreadPoolExecutor(workers) as pool:
        outcomes = [outcome for part in pool.map(work, range(workers)) for outcome in part]
    if not done["bad"]:
        shutil.rmtree(base, ignore_errors=True)
    return outcomes


def main() -> int:
    """Run the rounds, write the report, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 200))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=sorted(SCENARIOS), default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    outcomes = torture(options.rounds, options.seed, options.only, options.workers)
    figures: dict[str, object] = {
        "rounds": len(outcomes),
        "not_opened": sum(bool(o.not_opened) for o in outcomes),
        "lost_over_1s": sum(o.lost_over_1s for o in outcomes),
        "integrity_failures": sum(bool(o.integrity) for o in outcomes),
        "promises_broken": sum(bool(o.missing) for o in outcomes),
        "max_lost_ms": round(1000 * max((o.max_lost_s for o in outcomes), default=0.0)),
        "keys_typed": sum(o.keys for o in outcomes),
        "promises": sum(o.acks for o in outcomes),
        "seed": options.seed,
        "seconds": round(time.monotonic() - began),
        "rounds_by_scenario": dict(Counter(o.scenario for o in outcomes)),
    }
    goals = {"not_opened", "lost_over_1s", "integrity_failures", "promises_broken"}
    rows = [(name, str(value), "0" if name in goals else "") for name, value in figures.items()]
    reports.write("torture", figures, rows)
    return int(any(o.bad for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
