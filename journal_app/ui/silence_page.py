"""Settings: proof of silence. Which attempts to reach a network there were, and what is so now.

Says what was looked at and what was not; the same as ``quietpage verify --network``.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QDateTime, QLocale, Qt, QTimeZone
from PySide6.QtWidgets import QVBoxLayout, QWidget

from journal_app import network_check
from journal_app.inference.engine import ModelError, Reader
from journal_app.network_check import Look, Process
from journal_app.silence import Attempt
from journal_app.ui.services import ReaderFactory, Services
from journal_app.ui.widgets import add_all, button, label, row

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Seen:
    look: Look
    reading: bool


class SilenceSection(QWidget):
    """Shows the record at once; asks the model's process too when the button is pressed."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._verdict = label(self.tr("One moment…"))
        self._attempts = label("", "note")
        self._facts = label("", "quiet")
        self._unseen = label(
            self.tr(
                "Not looked at: what the libraries below do by themselves, beyond the sockets counted here; input "
                "methods, the desktop and other programs. The record could be changed by any program of yours."
            ),
            "hint",
        )
        self._again = button(self.tr("Look now"), self.look)
        line = row(8)
        line.addWidget(self._again)
        line.addStretch(1)
        add_all(column, self._verdict, self._attempts, self._facts)
        column.addLayout(line)
        column.addWidget(self._unseen)
        self._attempts.hide()

    def activated(self) -> None:
        """Show the record, and what can be seen without starting anything."""
        self._run(start_model=False)

    def look(self) -> None:
        """Look at everything, starting the model's process if it is at rest."""
        self._again.setEnabled(False)
        self._run(start_model=True)

    def _run(self, *, start_model: bool) -> None:
        reader = self._services.reader
        make = self._services.frame.make_reader if start_model else None

        def work() -> _Seen:
            return _Seen(_look(reader, make), reader is not None)

        bridge = self._services.bridge
        (bridge.background if start_model else bridge.run)(work, self._on_seen, self._on_failed)

    def _on_seen(self, seen: _Seen) -> None:
        self._again.setEnabled(True)
        look = seen.look
        self._verdict.setText(self._verdict_of(look))
        shown = [self._attempt(attempt) for attempt in look.record.attempts[-MOST_SHOWN:]]
        if look.record.full:
            shown.append(self.tr("The record is full; later attempts are refused, but not written down."))
        self._attempts.setText("\n".join(shown))
        self._attempts.setVisible(bool(shown))
        model = self._process(look.model) if look.model is not None else self._no_model(seen)
        self._facts.setText(
            self.tr("Quiet Page now: {0}").format(self._process(look.here))
            + "\n"
            + self.tr("The model's process now: {0}").format(model)
        )

    def _on_failed(self, _error: Exception) -> None:
        self._again.setEnabled(True)
        self._verdict.setText(self.tr("It could not be looked at just now. The network stays refused; try again."))

    # words -------------------------------------------------------------------------------

    def _verdict_of(self, look: Look) -> str:
        record = look.record
        if look.refused:
            return self.tr(
                "Something in Quiet Page tried to reach a network. It was refused, and nothing left this computer by "
                "it. Please report it: it should not be."
            )
        if not look.silent:
            return self.tr("A network socket is open in Quiet Page. Please report it: it should not be.")
        if not record.since_utc:
            return self.tr(
                "Attempts to reach a network are refused, but cannot be counted here: the record cannot be written."
            )
        if record.attempts:
            return self.tr("Since {0} nothing reached a network but what you asked for.").format(
                self._moment(record.since_utc)
            )
        return self.tr("Since {0} nothing in Quiet Page has tried to reach a network.").format(
            self._moment(record.since_utc)
        )

    def _attempt(self, attempt: Attempt) -> str:
        who = {
            "window": self.tr("the window"),
            "command": self.tr("a command"),
            "model": self.tr("the model's process"),
        }[attempt.process]
        what = {
            "socket": self.tr("a network socket was to be opened"),
            "connect": self.tr("a connection was to be made"),
            "bind": self.tr("a port was to be opened"),
            "lookup": self.tr("a name was to be looked up"),
            "send": self.tr("something was to be sent"),
        }[attempt.kind]
        end = self.tr("you asked for {0}").format(attempt.host) if attempt.allowed else self.tr("refused")
        return self.tr("{0}, {1}: {2} ({3})").format(self._moment(attempt.when_utc), who, what, end)

    def _process(self, seen: Process) -> str:
        parts = []
        if seen.network_sockets is None:
            parts.append(self.tr("open sockets cannot be seen on this system"))
        elif seen.network_sockets:
            parts.append(self.tr("{0} network sockets open").format(seen.network_sockets))
        else:
            parts.append(self.tr("no network socket open"))
        if seen.may_open is False:
            parts.append(self.tr("it can open none any more"))
        if seen.interfaces == ():
            parts.append(self.tr("no network interface there"))
        elif seen.own_network is False:
            parts.append(self.tr("it shares this computer's network, which the system lets it not leave"))
        if seen.modules:
            loaded = ", ".join(seen.modules)
            parts.append(self.tr("loaded by a package and refused any use: {0}").format(loaded))
        elif seen.modules is not None:
            parts.append(self.tr("no network module loaded"))
        return "; ".join(parts) + "."

    def _no_model(self, seen: _Seen) -> str:
        if not seen.reading:
            return self.tr("there is none, reading is off or no model is installed.")
        if seen.look.model_problem:
            return self.tr("it could not be started.")
        return self.tr("it is at rest and starts when something is to be read.")

    @staticmethod
    def _moment(utc: str) -> str:
        moment = QDateTime.fromString(utc, Qt.DateFormat.ISODate).toTimeZone(
            QTimeZone(QTimeZone.Initialization.LocalTime)
        )
        return QLocale().toString(moment, QLocale.FormatType.ShortFormat)


def _look(reader: Reader | None, make: ReaderFactory | None) -> Look:
    """Look at the model's process that runs, or at one that ``make`` starts for it; never on the GUI thread."""
    pid = getattr(reader, "pid", None)
    if pid is not None or reader is None or make is None:
        return network_check.look(pid, getattr(reader, "network", None))
    fresh = make()
    try:
        if fresh is None:
            return network_check.look(None)
        fresh.info()
        pid = getattr(fresh, "pid", None)
        return network_check.look(pid, getattr(fresh, "network", None), problem="" if pid else "no process")
    except ModelError as error:
        return network_check.look(None, problem=str(error))
    finally:
        if fresh is not None:
            fresh.close()
