"""What nobody will ask for any more: uploads in parts that were never completed, and content of killed uploads.

R2's buckets begin with a rule that ends uploads in parts seven days after they were begun:
https://developers.cloudflare.com/r2/buckets/object-lifecycles/
"""

from contextlib import suppress
from datetime import datetime, timedelta

from media.sandbox.store import Store
from media.sandbox.uploads import forget

UPLOADS_END_AFTER = timedelta(days=7)
LEFT_BEHIND_AFTER = timedelta(days=1)  # without a byte arriving: no upload under way is that slow
SWEEP_EVERY = timedelta(days=1)


def sweep_daily(store: Store, now: datetime) -> None:
    """Sweep when this process first uses the store, and once a day from then on."""
    if store.swept_at is None or now - store.swept_at >= SWEEP_EVERY:
        store.swept_at = now
        remove_left_behind(store, now)


def abort_ended_uploads(store: Store, now: datetime) -> None:
    """Give up the uploads in parts that were begun too long ago, and remove what has arrived of them."""
    ended = "SELECT id FROM uploads WHERE started_at <= ?"
    before = (now - UPLOADS_END_AFTER).timestamp()
    if store.index.execute(ended, [before]).fetchone() is None:
        return
    with store.writing() as index:
        rows = index.execute(f"SELECT file FROM parts WHERE upload_id IN ({ended})", [before])  # noqa: S608
        files = [file for (file,) in rows]
        for (upload_id,) in index.execute(ended, [before]).fetchall():
            forget(index, upload_id)
    store.discard(files)


def remove_left_behind(store: Store, now: datetime) -> None:
    """Remove the content that belongs to no key and no part, and has not grown for a day."""
    before = (now - LEFT_BEHIND_AFTER).timestamp()
    store.index.executescript(KNOWN_FILES)
    for path in (store.folder / "files").glob("*/*"):
        known = store.index.execute("SELECT 1 FROM known WHERE file = ?", [path.name]).fetchone()
        if known is None:
            with suppress(FileNotFoundError):  # its key was deleted meanwhile
                if path.stat().st_mtime <= before:
                    store.discard([path.name])
    store.index.execute("DROP TABLE known")


# A table of the connection's own, which SQLite keeps on disk when it is large.
KNOWN_FILES = """
DROP TABLE IF EXISTS temp.known;
CREATE TEMP TABLE known (file TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO known SELECT json_extract(f.value, '$[0]') FROM objects, json_each(objects.files) f;
INSERT OR IGNORE INTO known SELECT file FROM parts;
"""
