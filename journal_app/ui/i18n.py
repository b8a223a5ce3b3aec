"""Languages of the window: translators and the locale. What the model reads is another matter."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QObject, QTranslator

from journal_app import assets

PARTS = ("quietpage", "journal")
"""Files of words: those of the window, and those of charts, digest and summary."""

NAMES: dict[str, str] = {"en": "English", "ko": "한국어", "zh_TW": "繁體中文"}


def available() -> list[str]:
    """Return the languages that the window speaks in this build."""
    return ["en", *(code for code in NAMES if code != "en" and _file(code).is_file())]


def chosen(setting: str) -> str:
    """Return the language to use: the writer's choice, the system's where it exists, or English."""
    found = available()
    if setting in found:
        return setting
    system = QLocale.system().name()
    return next((code for code in found if system == code or system[:2] == code), "en")


class Translations(QObject):
    """Holds the translators of the language in force."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._installed: list[QTranslator] = []
        self.language = "en"

    def use(self, language: str) -> None:
        """Install the translators of ``language``; texts made afterwards speak it."""
        app = QCoreApplication.instance()
        if app is None:
            return
        for translator in self._installed:
            app.removeTranslator(translator)
            translator.deleteLater()
        self._installed = []
        self.language = language
        QLocale.setDefault(QLocale(language) if language != "en" else self._english())
        if language == "en":
            return
        qt_folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
        words = (assets.path("i18n", f"{part}_{language}.qm") for part in PARTS)
        for file in (f"{qt_folder}/qtbase_{language}.qm", *map(str, words)):
            translator = QTranslator(self)
            if translator.load(file):
                app.installTranslator(translator)
                self._installed.append(translator)

    @staticmethod
    def _english() -> QLocale:
        system = QLocale.system()
        return system if system.language() == QLocale.Language.English else QLocale("en_GB")


def _file(language: str) -> Path:
    return assets.path("i18n", f"{PARTS[0]}_{language}.qm")
