"""Share: choose what goes into the therapist summary, see its true pages, save them.

The builder makes ``summary.Choices``; the bridge's work lane turns them into laid-out pages; the
preview paints the very runs of text and charts that the PDF is written from. Nothing is ticked but
the marks "for my therapist", which the writer set by hand.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QLocale, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QFont, QFontDatabase, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from journal_app.journal import summary as summaries
from journal_app.journal import trends
from journal_app.journal.summary import Candidates, Choices
from journal_app.ui import exported
from journal_app.ui.bridge import EntryGone, EntryRead, EntrySaved, Job
from journal_app.ui.services import Services
from journal_app.ui.summary_builder import Builder
from journal_app.ui.widgets import button, clear, column, label, row, scroll
from journal_app.vault.records import DayRow, Store

if TYPE_CHECKING:
    from journal_app.exchange.pages import Chart, Laid, Page

BUILDER_WIDTH = 400
PREVIEW_PAUSE_MS = 350
CHANGE_PAUSE_MS = 1500
CHART_DPI = 160.0
MAX_PAGE_WIDTH = 760
_FINE = 16
"""Text is painted on a grid this much finer than a point, because Qt's font sizes are whole pixels."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the reading lane brings: rows of the period and the one before, and what may be ticked."""

    rows: tuple[DayRow, ...]
    candidates: Candidates


@dataclass(frozen=True, slots=True)
class Preview:
    """Pages as they will leave, and their charts as pictures in the same places."""

    laid: Laid
    pictures: tuple[tuple[Chart, bytes], ...]


def load(store: Store, start: str, end: str) -> Material:
    """Read what a summary of ``start`` .. ``end`` can be made of; runs on the reading lane."""
    before, _ = trends.previous(start, end)
    entries = store.entries(start=start, end=end)
    return Material(tuple(store.days(start=before, end=end)), summaries.suggest(entries, start, end))


def make_summary(material: Material, choices: Choices) -> summaries.Summary:
    """Return the summary of what was ticked, in the window's language."""
    return summaries.build(
        material.rows, choices, made_on=dt.date.today().isoformat(), translate=QCoreApplication.translate
    )


def make_preview(
    material: Material, choices: Choices, language: str, known: tuple[tuple[Chart, bytes], ...]
) -> Preview:
    """Lay the pages out and draw their charts, reusing pictures of ``known``; runs on the work lane."""
    from journal_app.exchange import document, pages, pdf

    translate = QCoreApplication.translate
    laid = pages.layout(document.from_summary(make_summary(material, choices), translate, language=language))
    pictures: list[tuple[Chart, bytes]] = []
    for page in laid.pages:
        for chart in page.charts:
            same = (
                data
                for old, data in known
                if (old.key, old.width, old.height) == (chart.key, chart.width, chart.height)
                and old.trend == chart.trend
            )
            pictures.append((chart, next(same, None) or pdf.chart_png(chart, translate, CHART_DPI)))
    return Preview(laid, tuple(pictures))


def write_file(material: Material, choices: Choices, language: str, path: Path) -> None:
    """Write the summary to ``path`` as PDF, or as HTML when it ends so; runs on the work lane.

    Raises OSError when the place cannot be written.
    """
    from journal_app.exchange import files

    value = make_summary(material, choices)
    if path.suffix.lower() in (".html", ".htm"):
        from journal_app.exchange import html

        data = html.summary(value, QCoreApplication.translate, language=language).encode()
    else:
        from journal_app.exchange import pdf

        data = pdf.summary(value, QCoreApplication.translate, language=language)
    files.write(path, data)


class PageView(QWidget):
    """One page of the summary, painted from the same runs as the PDF."""

    def __init__(self, page: Page, preview: Preview, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from journal_app.exchange import pages

        self._page = page
        self._fonts = preview.laid.fonts
        self._size = (pages.WIDTH, pages.HEIGHT)
        self._pictures = [(chart, QImage.fromData(data)) for chart, data in preview.pictures if chart in page.charts]
        self._scaled: dict[tuple[str, int, int], QImage] = {}
        self._cuts: dict[tuple[str, float], QFont] = {}
        self.setAccessibleName(self.tr("Page of the summary"))
        self.setAccessibleDescription(pages.words([page]))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def fit(self, width: int) -> None:
        """Take ``width`` pixels and the height that an A4 page has then."""
        if width != self.width():
            self._scaled.clear()
        self.setFixedSize(QSize(width, round(width * self._size[1] / self._size[0])))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint paper, rules, charts and text."""
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.TextAntialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor("#FFFFFF"))
        painter.save()
        scale = self.width() / self._size[0]
        painter.scale(scale, scale)
        for box in self._page.boxes:
            painter.fillRect(QRectF(box.x, box.y, box.width, box.height), QColor(box.colour))
        for chart, picture in self._pictures:
            painter.drawImage(QRectF(chart.x, chart.y, chart.width, chart.height), self._fitted(chart, picture, scale))
        painter.scale(1 / _FINE, 1 / _FINE)
        for text in self._page.texts:
            painter.setFont(self._font(text.face, text.size))
            painter.setPen(QColor(text.colour))
            painter.drawText(round(text.x * _FINE), round(text.y * _FINE), text.text)
        painter.restore()
        painter.setPen(QPen(self.palette().mid().color(), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _fitted(self, chart: Chart, picture: QImage, scale: float) -> QImage:
        """Return the picture in the pixels that it takes: a painter's own shrinking drops thin lines and letters."""
        pixels = scale * self.devicePixelRatioF()
        size = QSize(round(chart.width * pixels), round(chart.height * pixels))
        key = (chart.key, size.width(), size.height())
        if key not in self._scaled:
            self._scaled[key] = picture.scaled(
                size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        return self._scaled[key]

    def _font(self, face: str, size: float) -> QFont:
        if (face, size) not in self._cuts:
            cut = self._fonts.face(face)
            file = cut.file
            if not QFontDatabase.hasFamily(file.family):
                QFontDatabase.addApplicationFont(file.path)
            made = QFont(file.family)
            made.setPixelSize(round(size * _FINE))
            made.setItalic(cut.italic)
            made.setBold(cut.bold)
            made.setKerning(False)
            made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
            self._cuts[face, size] = made
        return self._cuts[face, size]


class SharePage(QWidget):
    """The Share place: builder on the left, the true pages on the right."""

    def __init__(self, services: Services, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._services = services
        self._material: Material | None = None
        self._preview: Preview | None = None
        self._loading: Job | None = None
        self._drawing: Job | None = None
        self._pause = self._timer(PREVIEW_PAUSE_MS, self._draw)
        self._changes = self._timer(CHANGE_PAUSE_MS, self._refresh_if_seen)
        frame = QHBoxLayout(self)
        frame.setContentsMargins(0, 0, 0, 0)
        frame.setSpacing(0)
        self.builder = Builder(services.theme)
        self.builder.changed.connect(self._on_changed)
        self.builder.period_changed.connect(self.refresh)
        left = QWidget()
        left.setFixedWidth(BUILDER_WIDTH)
        inside = column(left, spacing=0)
        inside.addWidget(scroll(self.builder), 1)
        inside.addWidget(self._make_foot())
        frame.addWidget(left)
        frame.addWidget(self._make_right(), 1)
        services.bridge.happened.connect(self._on_event)

    @property
    def preview(self) -> Preview | None:
        """The pages that are shown."""
        return self._preview

    @property
    def said(self) -> str:
        """What the page last told about saving."""
        return self._said.text()

    def activated(self) -> None:
        """Load again whenever the place is shown."""
        self.refresh()

    def refresh(self) -> None:
        """Read the period and offer what it holds."""
        if self._loading is not None:
            self._loading.cancel()
        choices = self.builder.choices()
        start, end = choices.start, choices.end

        def work(store: Store) -> Material:
            return load(store, start, end)

        self._loading = self._services.bridge.query(work, self._on_loaded, self._on_failed)

    def save(self, path: Path) -> None:
        """Write the summary as it is ticked now to ``path`` (.pdf or .html)."""
        if self._material is None:
            return
        material, choices, language = self._material, self.builder.choices(), self._language()

        def work() -> None:
            write_file(material, choices, language, path)

        self._say(self.tr("Saving\u2026"))
        self._services.bridge.run(work, self._on_saved, self._on_save_failed)

    def wipe(self) -> None:
        """Forget everything that came from the journal, pages still on their way included."""
        self._pause.stop()
        self._changes.stop()
        for job in (self._loading, self._drawing):
            if job is not None:
                job.cancel()
        self._material = None
        self._preview = None
        self.builder.wipe()
        self._pause.stop()
        clear(self._pages)

    def blur_text(self, on: bool) -> None:
        """Hide the words while the journal is hidden from others' eyes."""
        self.builder.setVisible(not on)
        self._right_body.setVisible(not on)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the pages take the room that there is."""
        super().resizeEvent(event)
        self._fit()

    def _timer(self, pause: int, slot: object) -> QTimer:
        made = QTimer(self)
        made.setSingleShot(True)
        made.setInterval(pause)
        made.timeout.connect(slot)
        return made

    def _make_foot(self) -> QWidget:
        foot = QWidget()
        inside = column(foot, margin=16, spacing=8)
        buttons = row()
        self._pdf = button(self.tr("Save as PDF\u2026"), self._ask_pdf, "primary")
        self._html = button(self.tr("Save as HTML\u2026"), self._ask_html)
        buttons.addWidget(self._pdf, 1)
        buttons.addWidget(self._html, 1)
        inside.addLayout(buttons)
        self._letters = label(
            self.tr("Some letters have no font on this computer and stand as ? on the page. The HTML file keeps them."),
            "note",
        )
        self._letters.hide()
        inside.addWidget(self._letters)
        self._updating = label(self.tr("The pages are being drawn again\u2026"), "hint")
        self._updating.hide()
        inside.addWidget(self._updating)
        self._said = label(self.tr("The file is not encrypted: anyone who has it can read it."), "hint")
        inside.addWidget(self._said)
        return foot

    def _make_right(self) -> QWidget:
        self._right_body = QWidget()
        self._pages = QVBoxLayout(self._right_body)
        self._pages.setContentsMargins(32, 24, 32, 32)
        self._pages.setSpacing(20)
        self._area = scroll(self._right_body)
        self._area.setObjectName("sunken")
        self._right_body.setObjectName("sunken")
        self._right_body.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        return self._area

    def _ask_pdf(self) -> None:
        self._ask("pdf")

    def _ask_html(self) -> None:
        self._ask("html")

    def _ask(self, form: str) -> None:
        title = self.tr("Save the summary, readable by anyone who has the file")
        name, _ = QFileDialog.getSaveFileName(
            self, title, f"{self.tr('summary')}-{summaries.today()}.{form}", f"*.{form}"
        )
        if name:
            path = Path(name)
            self.save(path if path.suffix.lower() == f".{form}" else path.with_name(f"{path.name}.{form}"))

    def _language(self) -> str:
        return QLocale().bcp47Name() or "en"

    def _on_changed(self) -> None:
        self._updating.show()
        self._pause.start()

    def _draw(self) -> None:
        if self._material is None:
            return
        self._updating.show()
        if self._drawing is not None:
            self._drawing.cancel()
        material, choices, language = self._material, self.builder.choices(), self._language()
        known = self._preview.pictures if self._preview is not None else ()

        def work() -> Preview:
            return make_preview(material, choices, language, known)

        self._drawing = self._services.bridge.run(work, self._on_drawn, self._on_failed)

    def _fit(self) -> None:
        room = self._area.viewport().width() - 64
        width = max(240, min(MAX_PAGE_WIDTH, room))
        for i in range(self._pages.count()):
            item = self._pages.itemAt(i)
            view = item.widget() if item is not None else None
            if isinstance(view, PageView):
                view.fit(width)

    def _on_event(self, event: object) -> None:
        if isinstance(event, EntrySaved | EntryGone | EntryRead):
            self._changes.start()

    def _refresh_if_seen(self) -> None:
        if self.isVisible():
            self.refresh()

    def _on_loaded(self, material: Material) -> None:
        self._material = material
        self.builder.show_candidates(material.candidates)
        self._draw()

    def _on_drawn(self, preview: Preview) -> None:
        self._preview = preview
        self._updating.setVisible(self._pause.isActive())
        self._letters.setVisible(preview.laid.fonts.unwritable)
        place = self._area.verticalScrollBar().value()
        clear(self._pages)
        for page in preview.laid.pages:
            self._pages.addWidget(PageView(page, preview), 0, Qt.AlignmentFlag.AlignHCenter)
        self._pages.addStretch(1)
        self._fit()
        self._area.verticalScrollBar().setValue(place)

    def _on_saved(self, _result: object) -> None:
        self._say(self.tr("Saved. The file is not encrypted: anyone who has it can read it."))

    def _on_save_failed(self, error: Exception) -> None:
        if isinstance(error, OSError):
            self._say(exported.not_written(error))
        else:
            self._say(self.tr("The summary could not be made. Your journal is not touched."))

    def _on_failed(self, _error: Exception) -> None:
        self._updating.hide()
        clear(self._pages)
        failed: QLabel = label(self.tr("The preview could not be made. Your journal is not touched."), "quiet")
        self._pages.addWidget(failed)

    def _say(self, text: str) -> None:
        self._said.setText(text)
