"""``quietpage verify --network``: every attempt to reach a network since counting began, and what is so now."""

from __future__ import annotations

import argparse
from typing import Any

from journal_app import network_check
from journal_app.cli.output import EXIT_NETWORK, EXIT_OK, Output
from journal_app.cli.session import Services
from journal_app.inference.engine import ModelError
from journal_app.network_check import Look, Process
from journal_app.silence import Attempt

MOST_SHOWN = 50
NOT_LOOKED_AT = (
    "what libraries below Python do by themselves: Qt, llama.cpp, SQLCipher (the open sockets above would show it "
    "at this moment; `make test-offline` runs everything without a network)",
    "a window that is open now: its sockets are shown in its own Settings, its attempts are counted above",
    "the record itself: any program of yours could have changed it",
    "other programs: input methods, the desktop, a sync program that carries the journal's folder",
)
_KINDS = {
    "socket": "a network socket was to be opened",
    "connect": "a connection was to be made",
    "bind": "a port was to be opened",
    "lookup": "a name was to be looked up",
    "send": "something was to be sent",
}
_WHO = {"window": "the window", "command": "a command", "model": "the model's process"}


def run(options: argparse.Namespace, services: Services, out: Output) -> int:
    """Print it; no journal is opened and no passphrase asked for."""
    look = _look(services)
    if options.json:
        out.json(as_dict(look))
    else:
        for line in lines(look):
            out.say(line)
    return EXIT_OK if look.silent else EXIT_NETWORK


def _look(services: Services) -> Look:
    try:
        reader = services.open_reader(None, 1)
    except ModelError as error:
        return network_check.look(None, problem=str(error))
    try:
        reader.info()
        pid = getattr(reader, "pid", None)
        return network_check.look(pid, getattr(reader, "network", None), problem="" if pid else "no process of its own")
    except ModelError as error:
        return network_check.look(None, problem=str(error))
    finally:
        reader.close()


def lines(look: Look) -> list[str]:
    """Return the report for a person."""
    record = look.record
    told = [_verdict(look), ""]
    if not record.since_utc:
        told.append("Attempts: none can be counted here, the record cannot be written. They are refused all the same.")
    else:
        told.append(f"Attempts since {record.since_utc}: {len(record.attempts) or 'none'}.")
    told += [f"  {_attempt(attempt)}" for attempt in record.attempts[-MOST_SHOWN:]]
    if len(record.attempts) > MOST_SHOWN:
        told.append(f"  ({len(record.attempts) - MOST_SHOWN} earlier ones are in the record.)")
    if record.full:
        told.append("  The record is full: later attempts are refused, but no longer written down.")
    if record.unreadable:
        told.append(f"  {record.unreadable} lines of the record cannot be read: something else has written into it.")
    told += ["", "This command, now:", *(f"  {line}" for line in _process(look.here)), "", "The model's process, now:"]
    told += (
        ["  not looked at: " + look.model_problem] if look.model is None else [f"  {x}" for x in _process(look.model)]
    )
    told += ["", "Not looked at:", *(f"  {line}" for line in NOT_LOOKED_AT)]
    return told


def _verdict(look: Look) -> str:
    if look.refused:
        return "Something in Quiet Page tried to reach a network. It was refused. Please report this; it should not be."
    if not look.silent:
        return "A network socket is open in Quiet Page. Please report this; it should not be."
    now = "no network socket is open now" if look.here.network_sockets == 0 else "open sockets cannot be seen here"
    if not look.record.since_utc:
        return f"Nothing is known of a network in Quiet Page: {now}."
    return f"Nothing in Quiet Page has tried to reach a network, and {now}."


def _attempt(attempt: Attempt) -> str:
    outcome = f"allowed, you asked for {attempt.host}" if attempt.allowed else "refused"
    return f"{attempt.when_utc}  {_WHO[attempt.process]}: {_KINDS[attempt.kind]} ({outcome})"


def _process(seen: Process) -> list[str]:
    told = []
    if seen.network_sockets is None:
        told.append("open sockets: not looked at here")
    else:
        told.append(f"network sockets open: {seen.network_sockets or 'none'}")
    if seen.may_open is False:
        told.append("opening another socket, or a file: no longer possible")
    if seen.interfaces is None:
        told.append("network interfaces: not looked at here")
    elif not seen.interfaces:
        told.append(f"network interfaces: none{', in a network of its own' if seen.own_network else ''}")
    elif seen.own_network is None:
        told.append(f"network interfaces: {len(seen.interfaces)}, those of this computer; unused")
    else:
        told.append("network interfaces: those of this computer, which lets no process leave its network; unused")
    if seen.modules is not None:
        loaded = ", ".join(seen.modules)
        told.append(f"modules for networks: {f'{loaded} (loaded by a package, refused any use)' if loaded else 'none'}")
    return told


def as_dict(look: Look) -> dict[str, Any]:
    """Return the report as JSON values."""
    record = look.record
    return {
        "silent": look.silent,
        "since_utc": record.since_utc or None,
        "attempts": [
            {
                "when_utc": attempt.when_utc,
                "process": attempt.process,
                "kind": attempt.kind,
                "allowed": attempt.allowed,
                "host": attempt.host or None,
            }
            for attempt in record.attempts
        ],
        "record_full": record.full,
        "record_unreadable_lines": record.unreadable,
        "this_process": _dict(look.here),
        "model_process": None if look.model is None else _dict(look.model),
        "model_problem": look.model_problem or None,
        "not_looked_at": list(NOT_LOOKED_AT),
    }


def _dict(seen: Process) -> dict[str, Any]:
    return {
        "network_sockets": seen.network_sockets,
        "local_sockets": seen.local_sockets,
        "interfaces": None if seen.interfaces is None else list(seen.interfaces),
        "own_network": seen.own_network,
        "may_open_sockets": seen.may_open,
        "network_modules_loaded": None if seen.modules is None else list(seen.modules),
    }
