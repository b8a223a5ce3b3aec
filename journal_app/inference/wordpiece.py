"""Word pieces exactly as the encoder was trained with, for the engine and the trainer alike.

llama.cpp's own WordPiece normalises Hangul and some accents otherwise than the tokenizer that
trained the model, so the engine makes ids here, from the vocabulary in the GGUF, and hands ids to
llama.cpp. No token is registered as "special": a typed ``[SEP]`` is four ordinary pieces, and only
:meth:`WordPiece.frame` writes control ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece as WordPieceModel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

CLS, SEP, UNK, PAD = "[CLS]", "[SEP]", "[UNK]", "[PAD]"
_SPACE = "\u2581"


class WordPiece:
    """An uncased BERT tokenizer over ``vocabulary`` (pieces in id order, ``##`` marks continuation).

    Raises ``ValueError`` if a piece is missing or occurs twice.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        pieces = {piece: index for index, piece in enumerate(vocabulary)}
        if len(pieces) != len(vocabulary):
            raise ValueError("the vocabulary holds a piece twice")
        missing = [piece for piece in (CLS, SEP, UNK) if piece not in pieces]
        if missing:
            raise ValueError(f"the vocabulary has no {', '.join(missing)}")
        self.cls, self.sep = pieces[CLS], pieces[SEP]
        self.size = len(vocabulary)
        self._tokenizer = Tokenizer(WordPieceModel(pieces, unk_token=UNK, max_input_chars_per_word=100))
        self._tokenizer.normalizer = BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
        )
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    @classmethod
    def from_gguf(cls, texts: Sequence[str], control: Sequence[bool]) -> WordPiece:
        """Build from a GGUF's vocabulary, where a word start is marked and a continuation bare.

        Raises ``ValueError`` like the constructor.
        """
        return cls(
            [
                text if special else text[1:] if text.startswith(_SPACE) else f"##{text}"
                for text, special in zip(texts, control, strict=True)
            ]
        )

    def encode(self, text: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Return the ids of ``text`` (int32, no control ids) and each one's code-point span."""
        encoding = self._tokenizer.encode(_valid(text), add_special_tokens=False)
        return np.asarray(encoding.ids, dtype=np.int32), encoding.offsets

    def ids(self, text: str, limit: int) -> np.ndarray:
        """Return framed ids of ``text``, cut so that they are at most ``limit`` with both control ids."""
        return self.frame(self.encode(text)[0][: limit - 2])

    def frame(self, ids: np.ndarray) -> np.ndarray:
        """Return ``ids`` between the opening and the closing control id."""
        return np.concatenate(([self.cls], ids, [self.sep])).astype(np.int32)


def to_gguf(vocabulary: Sequence[str], control: Sequence[bool]) -> list[str]:
    """Return the pieces as a GGUF stores them; the inverse of :meth:`WordPiece.from_gguf`."""
    return [
        piece if special else piece[2:] if piece.startswith("##") else _SPACE + piece
        for piece, special in zip(vocabulary, control, strict=True)
    ]


def _valid(text: str) -> str:
    # Lone surrogates cannot be encoded; one "?" each keeps every offset where it was.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
