"""The commands that keep a journal safe: backup, restore, rescue, and the ways to open it.

What is done here is done by the vault; this says it in words and as JSON. Nothing is ever removed to
make room for a backup or a rescued journal: what lies in the way is kept, or the command refuses.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journal_app.cli import session
from journal_app.cli.output import EXIT_DAMAGED, EXIT_OK, Output
from journal_app.cli.session import Services, UsageError
from journal_app.cli.tables import table
from journal_app.exchange import files
from journal_app.vault import backup, codes, keys, rekey, salvage
from journal_app.vault import folder as folders
from journal_app.vault import vault as vaults
from journal_app.vault.backup import Backup, Restored
from journal_app.vault.records import DamagedVault, IntegrityReport, VaultError, VaultMissing, VaultWriteError
from journal_app.vault.salvage import Damage
from journal_app.vault.store import name_pages

if TYPE_CHECKING:
    from journal_app.vault.keys import Secret
    from journal_app.vault.vault import Vault

LATEST = "latest"
_WAYS = {"passphrase": "passphrase", "recovery": "recovery code", "keyfile": "key file"}
_OLD_BACKUPS = "Backups made before still open with what opened the journal then."


# backup -----------------------------------------------------------------------------------


def backups(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Make a backup, or do what else was asked with backups."""
    chosen = {None: _make, "list": _list, "check": _check, "place": _place}[options.backup_command]
    if options.to is not None and options.backup_command is not None:
        raise UsageError("--to belongs to making a backup; see: quietpage backup --help")
    return chosen(options, services, out)


def _make(options: argparse.Namespace, services: Services, out: Output) -> int:
    with session.unlock(options, services, out) as vault:
        if options.to is None:
            made = backup.make(vault)
        else:
            db = vault.connection()
            made = backup.copy(db, vault.key, vault.file, options.to.absolute(), "asked")
    if options.json:
        out.json(_dict(made))
    else:
        out.say(f"Made and proved: {made.path.name} ({_counts(made)}, {_size(made.bytes)}).")
        out.say(f"It lies in {made.path.parent}")
    return EXIT_OK


def _list(options: argparse.Namespace, services: Services, out: Output) -> int:
    del services  # needs no passphrase
    found = _listed(options)
    if options.json:
        out.json([_dict(one) for one in found])
    elif not found:
        out.note("There are no backups in this place.")
    else:
        out.say(_backup_table(found))
    return EXIT_OK


def _check(options: argparse.Namespace, services: Services, out: Output) -> int:
    with session.unlock(options, services, out) as vault:
        done = backup.cycle(vault)
        count = len(backup.listed(vault.folder))
    if options.json:
        out.json(
            {
                "checked": count,
                "made": _dict(done.made) if done.made else None,
                "damaged": [_dict(one) for one in done.damaged],
                "good": _dict(done.good) if done.good else None,
                "journal_problems": list(done.source_problems),
            }
        )
    else:
        _say_checked(done, count, out)
    return EXIT_DAMAGED if done.damaged or done.source_problems else EXIT_OK


def _say_checked(done: backup.Cycle, count: int, out: Output) -> None:
    for one in done.damaged:
        out.say(f"Damaged: {one.path.name}. {one.problem}")
    for problem in done.source_problems:
        out.say(f"The journal itself is damaged, so no backup was made of it. {problem}")
    if done.made is not None:
        out.say(f"Made and proved: {done.made.path.name} ({_counts(done.made)}).")
    if done.good is None:
        out.say("There is no backup that is good.")
    else:
        out.say(f"Newest good one: {done.good.path.name}, made {done.good.made_utc}, proved {done.good.proved_utc}.")
    if not done.damaged:
        out.say(f"{session.number(count, 'backup', 'backups')} checked byte by byte; none is damaged.")


def _place(options: argparse.Namespace, services: Services, out: Output) -> int:
    del services  # needs no passphrase
    if options.folder is not None and options.default:
        raise UsageError("Give a folder, or --default, not both.")
    journal = _there(options)
    if options.folder is not None or options.default:
        backup.choose(journal, options.folder)
    place = backup.place(journal)
    if options.json:
        out.json({"folder": str(place), "default": place == journal / folders.BACKUPS})
    else:
        out.say(str(place))
    return EXIT_OK


def _there(options: argparse.Namespace) -> Path:
    """Return the journal's folder; raise what says that there is none."""
    journal = session.folder_of(options)
    if not vaults.exists(journal):
        folders.check_parts(journal)
    return journal


def _listed(options: argparse.Namespace) -> list[Backup]:
    return backup.listed(session.folder_of(options), options.source)


def _backup_table(found: list[Backup]) -> str:
    rows = [
        (
            one.path.name,
            str(one.entries) if one.made_utc and one.bytes else "?",
            str(one.images) if one.bytes else "?",
            _size(one.bytes) if one.bytes else "?",
            one.proved_utc or "never",
            f"damaged: {one.problem}" if one.problem else "good",
        )
        for one in found
    ]
    return table(("backup", "entries", "pictures", "size", "last proved", ""), rows, right=(1, 2, 3))


def _counts(one: Backup) -> str:
    told = [session.number(one.entries, "entry", "entries"), session.number(one.revisions, "version", "versions")]
    told += [session.number(one.images, "picture", "pictures")] if one.images else []
    return ", ".join(told)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _dict(one: Backup) -> dict[str, Any]:
    return {
        "name": one.path.name,
        "folder": str(one.path),
        "made_utc": one.made_utc,
        "reason": one.reason,
        "entries": one.entries,
        "revisions": one.revisions,
        "images": one.images,
        "bytes": one.bytes,
        "schema": one.schema,
        "proved_utc": one.proved_utc or None,
        "problem": one.problem or None,
    }


# restore, rescue --------------------------------------------------------------------------


def restore(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Put a backup in the place of the journal."""
    if options.list:
        return _list(options, services, out)
    candidates = _candidates(options)
    newest = candidates[0]
    out.note(f"Backup {newest.path.name} ({_counts(newest)}). It opens with what opened the journal then.")
    secret = session.secret_of(options, services)
    journal = session.folder_of(options)
    for number, one in enumerate(candidates):
        try:
            with session.counted(options, secret):
                done = backup.restore(one.path, journal, secret)
        except DamagedVault as error:
            if number + 1 == len(candidates):
                raise
            # Found only now: since its last check something has happened to it.
            out.note(f"{one.path.name}: {error} Trying the one before it.")
            continue
        _say_restored(one, done, options, out)
        break
    return EXIT_OK


def _candidates(options: argparse.Namespace) -> list[Backup]:
    """Return the backups to try, the one that was meant first."""
    said: str = options.backup
    if said == LATEST:
        found = _listed(options)
        good = [one for one in found if not one.problem]
        if found and not good:
            raise DamagedVault("Every backup in this place is damaged. Nothing was changed. Look for one elsewhere.")
        if not good:
            raise VaultMissing("There is no backup in this place. Use --from with the folder that holds the backups.")
        return good
    matching = [one for one in _listed(options) if one.path.name == said]
    matching = matching or [one for one in _listed(options) if said and one.path.name.startswith(said)]
    if len(matching) > 1:
        raise UsageError("More than one backup begins with that name; give more of it.")
    if not matching and (Path(said) / backup.NOTE).is_file():
        matching = backup.listed(None, Path(said))[:1]
    if not matching:
        raise UsageError("There is no backup of that name; see: quietpage restore --list")
    return matching


def _say_restored(one: Backup, done: Restored, options: argparse.Namespace, out: Output) -> None:
    if options.json:
        kept = None if done.aside is None else str(done.aside)
        out.json({"backup": _dict(one), "entries": done.entries, "kept_aside": kept})
        return
    out.say(f"Restored: {session.number(done.entries, 'entry', 'entries')}, as of {one.made_utc}.")
    if done.aside is not None:
        out.say(f"What was in its place before is kept, untouched, in {done.aside}")


def rescue(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Make a read-only journal of all that can be read; the exit code tells whether anything is missing."""
    secret, _ = session.secret_for(options, services)
    try:
        with session.counted(options, secret):
            done = salvage.rescue(session.folder_of(options), secret, options.to.absolute())
    except VaultError as error:
        if type(error) is VaultError:  # the folder that was named will not do
            raise UsageError(str(error)) from None
        raise
    whole = not (done.cut or done.lost or done.log) and done.checked
    if options.json:
        out.json(
            {
                "whole": whole,
                "entries": done.entries,
                "revisions": done.revisions,
                "images": done.images,
                "incomplete": done.cut,
                "lost": done.lost,
                "pages": done.pages,
                "pages_damaged": list(done.bad_pages),
                "log_damaged": done.log,
                "authenticated": done.checked,
                "folder": str(done.folder),
            }
        )
    else:
        _say_rescued(done, whole, out)
    return EXIT_OK if whole else EXIT_DAMAGED


def _say_rescued(done: salvage.Rescue, whole: bool, out: Output) -> None:
    out.say(
        f"Rescued: {session.number(done.entries, 'entry', 'entries')}, "
        f"{session.number(done.revisions, 'version', 'versions')}, "
        f"{session.number(done.images, 'picture', 'pictures')}."
    )
    if done.bad_pages:
        out.say(name_pages(done.bad_pages, done.pages))
    if done.log:
        out.say("Some of what was saved last could not be read.")
    if done.cut:
        out.say(f"Of {session.number(done.cut, 'entry or picture', 'entries or pictures')} a part is missing.")
    if done.lost:
        out.say(f"Of {session.number(done.lost, 'entry', 'entries')} nothing is left.")
    if not done.checked:
        out.say("The first page is lost, and with it what proves the others: read what came back with care.")
    if whole:
        out.say("Nothing is missing.")
    out.say(
        f"The new journal can be read and exported, not changed; the same secrets open it. It lies in {done.folder}"
    )


# damage, for verify -----------------------------------------------------------------------


def damaged_pages(vault: Vault) -> tuple[int, ...]:
    """Return the numbers of the pages of an open journal that fail their check."""
    try:
        return salvage.damaged_pages(vault.folder, vault.key)
    except DamagedVault:
        return ()


def damage_report(folder: Path, secret: Secret, said: str) -> tuple[IntegrityReport, tuple[int, ...]]:
    """Return a report on a journal that does not open, and its damaged pages; ``said`` is why it does not.

    Raises :class:`DamagedVault` with those words when its keys are lost, so that nothing more is known.
    """
    found = _damage(folder, secret)
    if found is None:
        raise DamagedVault(said)
    problems = [said]
    problems += [name_pages(found.bad, found.pages)] if found.bad else []
    problems += ["Something that was saved last, in the log, is damaged."] if found.log else []
    return IntegrityReport(False, 0, 0, tuple(problems)), found.bad


def _damage(folder: Path, secret: Secret) -> Damage | None:
    try:
        guard = folders.take_lock(folder)
    except VaultError:
        return None
    try:
        for file in folders.key_files(folder):
            key = keys.open_key(file, secret)
            try:
                return salvage.damage(folder, key)
            finally:
                keys.wipe(key)
    except VaultError:
        return None
    finally:
        guard.close()


# ways in ----------------------------------------------------------------------------------


def ways_in(options: argparse.Namespace, services: Services, out: Output) -> int:
    """List or change the ways to open the journal."""
    if options.key_command == "rotate":
        return _rotate(options, services, out)
    chosen = {
        "list": _list_ways,
        "new-file": _new_key_file,
        "remove-file": _remove_key_file,
        "keyring": _keyring,
        "passphrase": _passphrase,
        "recovery": _recovery,
    }[options.key_command]
    with session.unlock(options, services, out) as vault:
        more = chosen(vault, options, services, out)
        _say_ways(vault, more, options, out)
    return EXIT_OK


def _say_ways(vault: Vault, more: dict[str, Any], options: argparse.Namespace, out: Output) -> None:
    """Show the ways in after the change; ``more`` is what JSON says beside them."""
    if options.json:
        out.json({**more, "ways": [{"kind": way.kind, "here": way.here} for way in vault.slots()]})
        return
    if options.key_command == "list":
        for way in vault.slots():
            out.say(_WAYS.get(way.kind) or f"keyring of {'this' if way.here else 'another'} computer")


def _list_ways(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    del vault, options, services, out
    return {}


def _new_key_file(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    del services
    target: Path = options.out.absolute()
    if vault.folder.resolve() in (target.resolve(), *target.resolve().parents):
        raise UsageError(
            "A key file beside the journal would open it for anybody who takes the folder. Choose another place."
        )
    had = vaults.has_key_file_slot(vault.folder)
    # Tried first: an earlier key file stops working with the next line, and must not for nothing.
    _write_key_file(target, codes.key_file(bytes(codes.KEY_FILE_BYTES)))
    target.unlink()
    content = vault.add_key_file()
    try:
        _write_key_file(target, content)
    except (UsageError, VaultWriteError):
        vault.remove_slot(keys.KEYFILE)
        if had:
            out.note(
                "The earlier key file opens the journal no longer. Make another one in a place that can be written."
            )
        raise
    if not options.json:
        out.say("The key file is written. Whoever has it can open the journal: keep it away from this computer.")
        if had:
            out.say("The earlier key file opens the journal no longer.")
    return {"file": str(target)}


def _write_key_file(path: Path, content: bytes) -> None:
    try:
        files.write(path, content, replace=False)
    except FileExistsError:
        raise UsageError("Something of that name exists; it was not touched. Choose another name.") from None
    except OSError as error:
        raise VaultWriteError(f"The key file cannot be written: {error.strerror}. The journal is safe.") from None


def _remove_key_file(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    del services
    if not vaults.has_key_file_slot(vault.folder):
        raise UsageError("No key file opens this journal, so there is none to remove.")
    vault.remove_slot(keys.KEYFILE)
    if not options.json:
        out.say(f"The key file opens the journal no longer. {_OLD_BACKUPS}")
    return {"removed": keys.KEYFILE}


def _keyring(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    del services
    if options.action == "add":
        vault.add_keyring()
        said = "This computer's keyring opens the journal: whoever is logged in as you can, too (--keyring)."
    else:
        if not any(way.kind == keys.KEYRING and way.here for way in vault.slots()):
            raise UsageError("The keyring of this computer does not open this journal, so there is nothing to remove.")
        vault.remove_slot(keys.KEYRING)
        said = "The keyring of this computer opens the journal no longer."
    if not options.json:
        out.say(said)
    return {"removed" if options.action == "remove" else "added": keys.KEYRING}


def _passphrase(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    new = session.new_passphrase(options.new_passphrase_fd, "--new-passphrase-fd", services)
    vault.change_passphrase(new, kdf=services.kdf)
    if not options.json:
        out.say(f"The passphrase is changed; the old one opens the journal no longer. {_OLD_BACKUPS}")
        out.say("If somebody may have both a copy of the journal and the old one: quietpage key rotate")
    return {"changed": keys.PASSPHRASE}


def _recovery(vault: Vault, options: argparse.Namespace, services: Services, out: Output) -> dict[str, Any]:
    code = vault.new_recovery_code(kdf=services.kdf)
    if not options.json:
        _say_code(code, out)
        out.say(f"The old one opens the journal no longer. {_OLD_BACKUPS}")
    return {"recovery_code": code}


def _say_code(code: str, out: Output) -> None:
    out.say("A new recovery code. It is shown this once; keep it where only you find it:")
    out.say(f"\n    {code}\n")
    out.flush()


def _rotate(options: argparse.Namespace, services: Services, out: Output) -> int:
    secret, _ = session.secret_for(options, services)
    if not isinstance(secret, str) or codes.normalise_recovery_code(secret) is not None:
        raise UsageError("A new key needs the passphrase. Nothing was changed.")
    # Opened once before: copies left by another computer are joined and told of, a wrong passphrase is found.
    with session.opened(options, secret, out) as vault:
        lost = [way for way in vault.slots() if way.kind in (keys.KEYFILE, keys.KEYRING)]
    made, code = rekey.rotate(session.folder_of(options), secret, kdf=services.kdf)
    with made:
        if not options.json:
            _say_code(code, out)
            out.say("The whole journal is encrypted under a new key; the passphrase is the same as before.")
            if lost:
                out.say("A key file and keyrings open it no longer: quietpage key new-file, quietpage key keyring add")
            out.say("Backups made before keep the old key, and open with what opened the journal then.")
        _say_ways(made, {"recovery_code": code}, options, out)
    return EXIT_OK
