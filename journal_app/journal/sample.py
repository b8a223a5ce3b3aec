"""Fill a journal with the sample: 40 entries of one made-up half year that ends yesterday.

The text was written for this project (``assets/sample/``). Days are stored as offsets, so the
sample is always recent.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from journal_app import assets
from journal_app.vault.records import Mood, Store

SAMPLE_FILE = ("sample", "journal.json")


def fill(store: Store, today: dt.date, *, file: Path | None = None) -> int:
    """Write the sample's entries into ``store``; return how many. Days count back from ``today``."""
    sample = json.loads((file or assets.path(*SAMPLE_FILE)).read_text(encoding="utf-8"))
    for item in sample["entries"]:
        day = today + dt.timedelta(days=int(item["day"]))
        hour, minute = (int(part) for part in item["time"].split(":"))
        local = dt.datetime.combine(day, dt.time(hour, minute)).astimezone()
        offset = local.utcoffset() or dt.timedelta()
        entry = store.new_entry(
            item["text"],
            local_date=day.isoformat(),
            local_time=f"{item['time']}:00",
            offset_minutes=round(offset.total_seconds() / 60),
            mood=Mood(item["mood"], item.get("energy")) if item.get("mood") else None,
            tags=item.get("tags", ()),
        )
        if item.get("for_therapist"):
            store.set_flags(entry.id, for_therapist=True)
    return len(sample["entries"])
