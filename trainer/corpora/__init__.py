"""The data sets: one small module per family, each with a declared table of what it reads.

Corpora are folders of gzip JSON lines found by ``--data`` or ``QUIETPAGE_DATA``. Nothing here
ever prints a text; errors name the file and the line.
"""

from trainer.corpora.files import CorpusError, Row
from trainer.corpora.prose import prose

__all__ = ["CorpusError", "Row", "prose"]
