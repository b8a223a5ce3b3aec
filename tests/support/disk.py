"""A disk whose power can be cut: replays what a program did (see ``recorder``) and says what may be left of it.

What a cut leaves is chosen at random within what a disk and a file system may do. Sure is only what was waited
for: the content of a file after its ``fsync``, the names in a folder after the folder's. Of writes since then any
may be missing, in any order, or be there in part, cut at sectors. Of names since then the last ones may be missing,
in order in each folder; a rename happens in both folders or in neither. So a name may come back from the dead, or
a file lie there empty.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import recorder
from tests.support.recorder import Op

SECTORS = (512, 4096)
SHARED_MEMORY = "-shm"
"""What SQLite keeps in files of this name is never read after a start of the machine."""


@dataclass(eq=False, slots=True)
class File:
    """Content that is on the disk, and what was written since: (offset, data), or (size, None) for a truncation."""

    sure: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def settle(self) -> None:
        """All of it is on the disk."""
        self.sure = _applied(self.sure, self.since)
        self.since = []


@dataclass(eq=False, slots=True)
class Folder:
    """Names as the program sees them, those that are on the disk, and the changes since."""

    seen: dict[str, Node] = field(default_factory=dict)
    sure: dict[str, Node] = field(default_factory=dict)
    since: list[Change] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Change:
    """One change of names: in one folder, or in two at once."""

    number: int
    names: tuple[tuple[Folder, str, Node | None], ...]


Node = File | Folder


class Disk:
    """What was under ``root`` before a recording, and what the recording made of it, change by change."""

    def __init__(self, root: Path) -> None:
        """Read what lies under ``root`` now, all of it on the disk."""
        self._root = root.resolve()
        self._deaf: frozenset[str] = frozenset()
        self._files: dict[int, File] = {}
        self._folders: dict[int, Folder] = {}
        self._count = 0
        self._top = self._read(self._root)

    def fresh(self, deaf_to: Iterable[str] = ()) -> Disk:
        """Return a copy. ``deaf_to``: "file" and "folder" syncs that have no effect there, as on a disk that lies."""
        made = copy.deepcopy(self)
        made._deaf = frozenset(deaf_to)
        return made

    def _read(self, path: Path) -> Folder:
        made = Folder()
        self._folders[path.stat().st_ino] = made
        for child in path.iterdir():
            if child.is_dir():
                node: Node = self._read(child)
            else:
                node = self._files[child.stat().st_ino] = File(child.read_bytes())
            made.seen[child.name] = made.sure[child.name] = node
        return made

    def apply(self, op: Op) -> None:
        """Do what the program did."""
        match op.op:
            case recorder.CREATE:
                made = self._files[op.inode] = File()
                self._name(op.path, made)
            case recorder.WRITE:
                self._files[op.inode].since.append((op.offset, op.data))
            case recorder.TRUNCATE:
                self._files[op.inode].since.append((op.offset, None))
            case recorder.SYNC if op.is_folder:
                if "folder" not in self._deaf:
                    self._settle(self._folders[op.inode])
            case recorder.SYNC:
                if "file" not in self._deaf:
                    self._files[op.inode].settle()
            case recorder.MKDIR:
                folder = self._folders[op.inode] = Folder()
                self._name(op.path, folder)
            case recorder.UNLINK | recorder.RMDIR:
                self._name(op.path, None)
            case recorder.LINK:
                self._name(op.other, self._node(op.path))
            case recorder.RENAME:
                self._change((*self._split(op.path), None), (*self._split(op.other), self._node(op.path)))
            case recorder.MAP if op.path.endswith(SHARED_MEMORY):
                pass
            case _:
                raise AssertionError(f"what is left of {op.op} is not known")

    def _split(self, path: str) -> tuple[Folder, str]:
        *above, name = Path(path).relative_to(self._root).parts
        folder = self._top
        for part in above:
            found = folder.seen[part]
            assert isinstance(found, Folder)
            folder = found
        return folder, name

    def _node(self, path: str) -> Node:
        folder, name = self._split(path)
        return folder.seen[name]

    def _name(self, path: str, node: Node | None) -> None:
        self._change((*self._split(path), node))

    def _change(self, *names: tuple[Folder, str, Node | None]) -> None:
        self._count += 1
        change = Change(self._count, names)
        for folder in {id(f): f for f, _, _ in names}.values():
            folder.since.append(change)
        for folder, name, node in names:
            _put(folder.seen, name, node)

    def _settle(self, folder: Folder) -> None:
        """Put a folder's changes on the disk, and what has to be there before them in other folders."""
        wanted, reach = [folder], {id(folder): self._count}
        chosen: dict[int, Change] = {}
        while wanted:
            at = wanted.pop()
            for change in at.since:
                if change.number > reach[id(at)] or change.number in chosen:
                    continue
                chosen[change.number] = change
                for other, _, _ in change.names:
                    if reach.get(id(other), 0) < change.number:
                        reach[id(other)] = change.number
                        wanted.append(other)
        for number in sorted(chosen):
            for place, name, node in chosen[number].names:
                _put(place.sure, name, node)
                if chosen[number] in place.since:
                    place.since.remove(chosen[number])

    def cut(self, target: Path, chance: random.Random, *, but: Iterable[str] = (), how: str = "") -> None:
        """Write into the empty folder ``target`` what may be left if the power fails now, without the names in ``but``.

        ``how``: chosen at random unless it is said; "torn": all names are there, and some sectors of what was written.
        """
        how = how or chance.choice(("nothing", "everything", "names", "contents", "some", "some", "some"))
        kept = self._kept_changes(how, chance)
        contents: dict[int, bytes] = {}

        def write(folder: Folder, path: Path) -> None:
            names = dict(folder.sure)
            for change in kept.get(id(folder), ()):
                for place, name, node in change.names:
                    if place is folder:
                        _put(names, name, node)
            for name, node in names.items():
                if name.endswith(SHARED_MEMORY) or (path == target and name in but):
                    continue
                if isinstance(node, Folder):
                    (path / name).mkdir(mode=0o700)
                    write(node, path / name)
                else:
                    if id(node) not in contents:
                        contents[id(node)] = _left(node, how, chance)
                    (path / name).write_bytes(contents[id(node)])

        write(self._top, target)

    def _kept_changes(self, how: str, chance: random.Random) -> dict[int, list[Change]]:
        folders = [folder for folder in self._folders.values() if folder.since]
        kept: dict[int, list[Change]] = {}
        for folder in folders:
            most = len(folder.since)
            if how == "some":
                count = chance.choice((0, most, chance.randint(0, most)))
            else:
                count = most if how in ("everything", "names", "torn") else 0
            kept[id(folder)] = folder.since[:count]
        # In both folders or in neither.
        again = True
        while again:
            again = False
            for changes in kept.values():
                for at, change in enumerate(changes):
                    if any(change not in kept.get(id(place), ()) for place, _, _ in change.names):
                        del changes[at:]
                        again = True
                        break
        return kept


def _put(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _applied(content: bytes, since: Iterable[tuple[int, bytes | None]]) -> bytes:
    made = bytearray(content)
    for offset, data in since:
        end = offset if data is None else offset + len(data)
        if data is None:
            del made[offset:]
        if len(made) < end:
            made.extend(bytes(end - len(made)))
        if data is not None:
            made[offset:end] = data
    return bytes(made)


def _left(file: File, how: str, chance: random.Random) -> bytes:
    since = file.since
    if not since or how in ("nothing", "names"):
        return file.sure
    if how in ("everything", "contents"):
        return _applied(file.sure, since)
    style = how if how == "torn" else chance.choice(("nothing", "everything", "beginning", "any", "torn"))
    if style == "nothing":
        since = []
    elif style == "beginning":
        count = chance.randrange(len(since))
        since = [*since[:count], *_torn(since[count], chance)]
    elif style == "any":
        since = [change for change in since if chance.random() < 0.5]
    elif style == "torn":
        since = [piece for change in since for piece in _torn(change, chance)]
    return _applied(file.sure, since)


def _torn(change: tuple[int, bytes | None], chance: random.Random) -> list[tuple[int, bytes | None]]:
    """Return those sectors of a write that reached the disk; a truncation does or does not."""
    offset, data = change
    if data is None:
        return [change] if chance.random() < 0.5 else []
    size = chance.choice(SECTORS)
    edges = [0, *range(size - offset % size, len(data), size), len(data)]
    return [(offset + a, data[a:b]) for a, b in zip(edges, edges[1:], strict=False) if chance.random() < 0.5]
