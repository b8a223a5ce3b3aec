"""Papers are read from real PDFs and texts, and cited by file, page and sentence; what cannot be read is skipped."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")

from fpdf import FPDF
from PIL import Image

from journal_app.inference.text import sentences
from trainer import cli, papers
from trainer.config import TrainerError
from trainer.papers import NOTHING, Answer, Citation, Library, shown, supported
from trainer.progress import Progress

pytestmark = [pytest.mark.torch, pytest.mark.llm]

SLEEP = [
    "This study follows forty people over eight weeks. Regular bedtimes shortened the time to fall asleep. "
    "Coffee after noon lengthened it.",
    "In the second part the lamps were changed. Warm light in the evening made no measurable difference. "
    "We therefore advise a fixed bedtime first.",
]
GARDEN = (
    "Gardening was tried in three towns. People who gardened twice a week reported better mood. The weather mattered."
)
RECIPE = Path(papers.__file__).parent / "recipes" / "qwen2.5-7b-papers.toml"


def quiet(stream: io.StringIO | None = None) -> Progress:
    return Progress(stream or io.StringIO())


def pdf(path: Path, pages: Sequence[str], password: str = "") -> Path:
    document = FPDF()
    if password:
        document.set_encryption(owner_password="owner", user_password=password)
    document.set_font("Helvetica", size=12)
    for text in pages:
        document.add_page()
        document.multi_cell(120, 8, text)
    document.output(str(path))
    return path


def scan(path: Path) -> Path:
    document = FPDF()
    document.add_page()
    document.image(Image.new("RGB", (60, 60), "gray"), w=60)
    document.output(str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "papers"
    (found / "more").mkdir(parents=True)
    pdf(found / "sleep.pdf", SLEEP)
    (found / "more" / "garden.md").write_text(f"# Gardens\n\n{GARDEN}\n", "utf-8")
    (found / "한국.txt").write_text("산책은 기분을 좋게 했다. 비가 오는 날에는 효과가 작았다.\n", "utf-8")
    (found / "notes.docx").write_bytes(b"not read at all")
    return found


@pytest.fixture
def library(folder: Path, tmp_path: Path) -> Library:
    return Library(Library.read(folder, tmp_path / "cache", quiet()).papers, tmp_path / "cache", quiet(), reader=None)


def test_a_question_is_answered_with_file_page_and_sentence(library: Library, folder: Path) -> None:
    answer = library.ask("Does warm light in the evening help?")
    first = answer.citations[0]
    assert (first.file, first.page, first.sentence) == ("sleep.pdf", 2, 2)
    assert first.quote == "Warm light in the evening made no measurable difference."
    assert f"“{first.quote}” [1]" in answer.text
    assert not answer.worded
    told = shown(answer)
    assert "[1] sleep.pdf, page 2, sentence 2: “Warm light" in told


def test_every_quote_stands_in_its_file(library: Library) -> None:
    pages = {(paper.file, n): page for paper in library.papers for n, page in enumerate(paper.pages, 1)}
    for question in ("bedtimes and falling asleep", "gardening mood", "coffee", "산책 기분"):
        answer = library.ask(question)
        assert answer.citations, question
        for c in answer.citations:
            text = pages[c.file, c.page]
            start, end = sentences(text)[c.sentence - 1]
            assert " ".join(text[start:end].split()) == c.quote


def test_korean_is_found_whatever_its_particles(library: Library) -> None:
    (first, *_) = library.ask("산책을 하면 기분이 좋아지나").citations
    assert first.file == "한국.txt"


def test_nothing_found_is_said(library: Library) -> None:
    answer = library.ask("How are neutrinos detected?")
    assert answer == Answer(NOTHING)
    assert shown(answer) == NOTHING


def test_what_cannot_be_read_is_skipped_with_a_reason(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "sleep.pdf").read_bytes()
    (folder / "cut.pdf").write_bytes(whole[: len(whole) // 3])
    (folder / "noise.pdf").write_bytes(random.Random(1).randbytes(5000))
    (folder / "empty.pdf").write_bytes(b"")
    pdf(folder / "locked.pdf", SLEEP, password="secret")
    pdf(folder / "open.pdf", [GARDEN], password="")
    scan(folder / "scan.pdf")
    (folder / "latin.txt").write_bytes("naïve café".encode("latin-1"))
    (folder / "blank.txt").write_text(" \n\n", "utf-8")
    log = io.StringIO()
    found = Library.read(folder, tmp_path / "cache", quiet(log))
    listing = json.loads(found.listing.read_text("utf-8"))
    assert sorted(p["file"] for p in listing["papers"]) == ["more/garden.md", "open.pdf", "sleep.pdf", "한국.txt"]
    reasons = {name: reason.split(":")[0].split(",")[0] for name, reason in listing["skipped"].items()}
    assert reasons == {
        "cut.pdf": "damaged",
        "noise.pdf": "damaged",
        "empty.pdf": "damaged",
        "locked.pdf": "encrypted",
        "scan.pdf": "no text in it",
        "latin.txt": "not UTF-8 text",
        "blank.txt": "empty",
    }
    for name in reasons:
        assert f"papers: skipped {name}: " in log.getvalue()


def test_every_truncation_of_a_pdf_is_read_or_skipped(tmp_path: Path) -> None:
    whole = pdf(tmp_path / "whole.pdf", SLEEP).read_bytes()
    path, cache = tmp_path / "cut.pdf", tmp_path / "cache"
    cache.mkdir()
    rng = random.Random(2)
    for _ in range(40):
        data = bytearray(whole[: rng.randint(0, len(whole))])
        for _ in range(rng.randint(0, 20)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data))
        try:
            assert papers._paper(path, "cut.pdf", cache).pages
        except papers.Unreadable:
            continue


def test_a_file_is_read_once_and_again_when_it_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = papers._pdf
    monkeypatch.setattr(papers, "_pdf", lambda path, data: (read.append(path.name), real(path, data))[1])
    Library.read(folder, tmp_path / "cache", quiet())
    Library.read(folder, tmp_path / "cache", quiet())
    assert read == ["sleep.pdf"]
    pdf(folder / "sleep.pdf", [GARDEN])
    library = Library.read(folder, tmp_path / "cache", quiet())
    assert read == ["sleep.pdf", "sleep.pdf"]
    assert library.ask("gardened").citations
    # A cache that was damaged is made again.
    for kept in (tmp_path / "cache").glob("*.json"):
        kept.write_text("{", "utf-8")
    Library.read(folder, tmp_path / "cache", quiet())
    assert read == ["sleep.pdf"] * 3


def test_folders_without_papers_are_told(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="no folder of papers"):
        Library.read(tmp_path / "none", tmp_path / "cache", quiet())
    (tmp_path / "bare").mkdir()
    with pytest.raises(TrainerError, match="holds no papers"):
        Library.read(tmp_path / "bare", tmp_path / "cache", quiet())
    (tmp_path / "bare" / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainerError, match="none of the 1 files"):
        Library.read(tmp_path / "bare", tmp_path / "cache", quiet())


CITED = [
    Citation(1, "a.pdf", 1, 1, "", "Regular bedtimes shortened the time to fall asleep."),
    Citation(2, "b.md", 1, 1, "", "People who gardened twice a week reported better mood."),
]


@pytest.mark.parametrize(
    ("reply", "text", "used", "dropped"),
    [
        ("Regular bedtimes help people fall asleep [1].", "Regular bedtimes help people fall asleep [1].", {1}, 0),
        ("Bedtimes help to fall asleep. [1] Gardening lifts mood.[2]", None, {1}, 1),
        (
            "Regular bedtimes shorten falling asleep [1, 2].",
            "Regular bedtimes shorten falling asleep [1, 2].",
            {1, 2},
            0,
        ),
        ("Regular bedtimes help people fall asleep.", "", set(), 1),
        ("Regular bedtimes help people fall asleep [3].", "", set(), 1),
        ("Regular bedtimes help people fall asleep [1][9].", "", set(), 1),
        ("Exercise cures every illness [1].", "", set(), 1),
        ("[1] [2]", "", set(), 1),
        ("", "", set(), 0),
    ],
)
def test_only_sentences_that_stand_on_a_passage_are_kept(
    reply: str, text: str | None, used: set[int], dropped: int
) -> None:
    found = supported(reply, CITED)
    if text is not None:
        assert found[0] == text
    assert found[1:] == (used, dropped)


class Scripted:
    """A writer that says what it was told to, and remembers what it was asked."""

    def __init__(self, reply: str) -> None:
        self.reply = reply
        self.asked: list[tuple[str, str]] = []

    def complete(self, messages: Sequence[tuple[str, str]], **_: object) -> object:
        self.asked = list(messages)
        return type("Completion", (), {"text": self.reply})()


def test_a_models_words_are_kept_where_they_are_cited(library: Library) -> None:
    writer = Scripted(
        "Regular bedtimes help people to fall asleep [1]. Everybody should move to the sea. Trust me [7]."
    )
    answer = library.ask("regular bedtimes to fall asleep", writer)  # pyright: ignore[reportArgumentType]
    assert answer.worded
    assert answer.text == "Regular bedtimes help people to fall asleep [1]."
    assert [c.number for c in answer.citations] == [1]
    assert answer.dropped == 2
    assert "2 sentences of the model's answer left out" in shown(answer)
    # The model saw the passages and the question, and nothing else of the folder.
    given = writer.asked[-1][1]
    assert "[1] " in given
    assert "gardened" not in given


def test_a_model_that_cites_nothing_gives_way_to_quotes(library: Library) -> None:
    answer = library.ask("regular bedtimes to fall asleep", Scripted("I believe in naps."))  # pyright: ignore[reportArgumentType]
    assert not answer.worded
    assert answer.dropped == 1
    assert "“Regular bedtimes shortened the time to fall asleep.” [1]" in answer.text


def test_the_embedded_reader_finds_meaning_without_a_common_word(folder: Path, tmp_path: Path) -> None:
    library = Library.read(folder, tmp_path / "cache", quiet())
    question = "Which habits cure insomnia?"
    words = Library(library.papers, tmp_path / "cache", quiet(), reader=None)
    assert words.ask(question).text == NOTHING
    answer = library.ask(question)
    assert answer.citations[0].file == "sleep.pdf"
    (kept,) = (tmp_path / "cache").glob("vectors-*.npy")
    stamp = kept.stat().st_mtime_ns
    library.ask("gardening")
    assert kept.stat().st_mtime_ns == stamp


def test_the_command_prints_the_answer(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["papers", "--recipe", str(RECIPE), "--out", str(tmp_path / "run"), "--folder", str(folder)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == ""
    assert cli.main([*arguments, "--ask", "Does coffee matter for sleep?"]) == 0
    out = capsys.readouterr().out
    assert "“Coffee after noon lengthened it.” [1]" in out
    assert "sleep.pdf, page 1, sentence 3" in out
    assert cli.main([*arguments, "--ask", "How are neutrinos detected?"]) == 0
    assert capsys.readouterr().out == NOTHING + "\n"
    assert cli.main([*arguments[:-1], str(tmp_path / "none")]) == 2
    assert "no folder of papers" in capsys.readouterr().err
