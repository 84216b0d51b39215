"""Images, audio and files in the ClickHouse store, each stored once, as long as a record refers to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from autolog._record.media import give_media
from autolog._record.record import Record
from autolog.stores.clickhouse._client import Database
from autolog.stores.clickhouse._rows import Kept, hashes_of
from autolog.stores.clickhouse._url import Target
from autolog.stores.clickhouse._where import Values


class Media:
    """The table of media."""

    def __init__(self, db: Database, target: Target) -> None:
        self._db = db
        self._target = target

    def insert(self, media: dict[str, bytes]) -> None:
        """Store media by their hash."""
        self._db.insert("media", {"sha256": "String", "content": "String"}, list(media.items()))

    def known(self, hashes: Iterable[str]) -> set[str]:
        """Return the hashes whose media are stored."""
        values = Values()
        sql = f"SELECT sha256 FROM media WHERE sha256 IN ({values.marks(hashes)})"
        return {media_id for (media_id,) in self._db.query(sql, values)}

    def used(self, hashes: set[str]) -> set[str]:
        """Return the hashes to which a record refers."""
        values = Values()
        condition = f"hasAny(media_hashes, [{values.marks(hashes)}])"
        sql = f"SELECT DISTINCT arrayJoin(media_hashes) AS one FROM log FINAL WHERE {condition}"
        return {media_id for (media_id,) in self._db.query(sql, values)}

    def drop(self, hashes: set[str]) -> None:
        """Delete media to which no record refers; restore any to which a record has referred in the meantime."""
        free = hashes - self.used(hashes) if hashes else set()
        if not free:
            return
        kept = self.contents(free)
        values = Values()
        local, on = self._target.local("media"), self._target.on
        self._db.command(f"DELETE FROM `{local}`{on} WHERE sha256 IN ({values.marks(free)})", values)
        in_use = free & self.used(free)
        self.insert({sha256: kept[sha256] for sha256 in in_use & kept.keys()})

    def contents(self, hashes: set[str]) -> dict[str, bytes]:
        """Return media by their hash."""
        values = Values()
        sql = f"SELECT sha256, content FROM media WHERE sha256 IN ({values.marks(hashes)})"
        return dict(self._db.query(sql, values, raw=("content",)))

    def restore(self, records: Sequence[Record]) -> None:
        """Put media back into the bodies from which they were taken."""
        wanted = hashes_of(records)
        contents = self.contents(wanted) if wanted else {}
        for record in records if contents else ():
            give_media(record, contents.get)


def released_media(kept: Kept) -> set[str]:
    """Return the hashes of media to which a record no longer refers after a change."""
    has = hashes_of([kept.record])
    had = hashes_of([kept.base]) if kept.base is not None else set()
    return had | has if kept.gone else had - has
