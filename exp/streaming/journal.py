"""What is reported about a stream in addition to its scores: gaps, skipped points, unreadable lines."""

import logging
import math

from exp.errors import UserError
from exp.streaming.clock import DATE, DATE_IN_ZONE, Verdict
from exp.streaming.stream import StreamingDetector

logger = logging.getLogger(__name__)

NANOSECONDS = 1e9  # a second
SHOWN = 20  # lines that are not points, before only their number is reported


class Journal:
    """Notes on the points of a stream as they arrive, and a summary at its end.

    Attributes
    ----------
    lines : int
        Number of lines received in this run.
    """

    def __init__(self, stream: StreamingDetector):
        self.stream, self.lines = stream, 0
        self._malformed, self._in_a_row, self._first_malformed = 0, 0, ""
        self._at_start: int | None = None  # points of the previous run that come again, before the first new one
        self._skipped = {"repeated": 0, "older": 0}  # in a row
        self._before = self._counts()

    def refuse(self, error: Exception) -> None:
        """Report a line that is not a point."""
        self._malformed += 1
        self._in_a_row += 1
        place = "" if self._malformed <= SHOWN else self._place()
        if self._malformed <= SHOWN or place:
            logger.warning("line %d: %s: skipped%s", self.lines, error, place)
        if self._malformed == SHOWN:
            logger.warning(
                "of further lines that are not points, only the 100th, 1000th and so on are shown, and the 10th, 100th "
                "and so on in a row"
            )
        self._first_malformed = self._first_malformed or f"line {self.lines}: {error}"

    def _place(self) -> str:
        """Return which line that is not a point the latest is, if it is to be shown; empty if not."""
        if math.log10(self._malformed).is_integer():
            return f", the {self._malformed}th"
        shown = self._in_a_row > 1 and math.log10(self._in_a_row).is_integer()
        return f", the {self._in_a_row}th in a row" if shown else ""

    def accept(self) -> None:
        """Take notice of a line that is a point."""
        self._in_a_row = 0

    def note(self, verdict: Verdict, time: str) -> list[dict]:
        """Return the notes on a point, whose time is given as written in the line."""
        last = self.stream.kept.get("last")
        if verdict.order != "new":
            first = not any(self._skipped.values())
            self._skipped[verdict.order] += 1
            return [{"note": "skipping", "time": time, "last": last}] if first else []
        self.stream.kept["last"] = time
        if self._at_start is None:
            self._at_start = self._skipped_so_far()
        notes = self._end_of_skipped()
        if verdict.gap:
            unit = NANOSECONDS if self.stream.clock.last.kind in (DATE, DATE_IN_ZONE) else 1
            step, usual = (None if value is None else value / unit for value in (verdict.step, verdict.usual))
            place = {"row": self.stream.seen - 1, "time": time, "last": last}
            notes.append({"note": "gap", **place, "step": step, "usual": usual, "fresh": verdict.fresh})
        return notes

    def end(self) -> list[dict]:
        """Report what was skipped, and return the last notes.

        Raises
        ------
        UserError
            When there were lines, but no point.
        """
        seen, repeated, older, gaps = (now - then for now, then in zip(self._counts(), self._before, strict=True))
        if self._malformed and not seen + repeated + older:
            raise UserError(
                f"none of the {self._malformed} lines is a point; {self._first_malformed}: check that the input is CSV "
                "with the detector's channels; --sep, --decimal, --header and --date-format say how it is written"
            )
        if repeated or older:
            later = repeated + older - (self._at_start or 0)
            logger.warning(
                "points skipped because of their time: %d repeat the last one seen, %d are older%s",
                repeated,
                older,
                ": are the times too coarse, or has the clock restarted?" if later > seen > 0 else "",
            )
        if gaps:
            logger.warning("gaps in time: %d", gaps)
        if self._malformed:
            logger.info("skipped lines that are not points: %d of %d", self._malformed, self.lines)
        return self._end_of_skipped()

    def _counts(self) -> tuple[int, int, int, int]:
        clock = self.stream.clock
        return self.stream.seen, clock.repeated, clock.older, clock.gaps

    def _skipped_so_far(self) -> int:
        return sum(self._counts()[1:3]) - sum(self._before[1:3])

    def _end_of_skipped(self) -> list[dict]:
        if not any(self._skipped.values()):
            return []
        note = {"note": "skipped", **self._skipped}
        self._skipped = dict.fromkeys(self._skipped, 0)
        return [note]
