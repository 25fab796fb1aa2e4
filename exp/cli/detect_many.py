"""Score several files one after another, and summarise the results in a table."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from exp.cli.findings import Findings
from exp.cli.tables import write_csv
from exp.errors import USER_ERRORS, UserError

logger = logging.getLogger(__name__)

SUMMARY = "summary.csv"
COLUMNS = ("file", "folder", "points", "flagged_share", "events", "begin", "end", "peak_score", "error")


def score_many(paths: list[Path], names: list[str], out: Path, score: Callable[[Path, Path], Findings]) -> None:
    """Score files, each into its own folder, and update `summary.csv` next to these folders after each file.

    The table has a row for each file: its points, the share of them that is in events, the number of events, and begin,
    end and peak score of the first one, or the reason why the file could not be scored.

    Parameters
    ----------
    paths : list of Path
    names : list of str
        The names of their folders.
    out : Path
        The folder that holds them.
    score : callable
        Scores a file into a folder.

    Raises
    ------
    UserError
        At the end, when files could not be scored; the message names them.
    """
    rows, failed = [], []
    for number, (path, name) in enumerate(zip(paths, names, strict=True), start=1):
        try:
            row = _row(score(path, out / name))
            logger.info("%d of %d files: %s: events: %d", number, len(paths), path, row["events"])
        except USER_ERRORS as error:
            row = {"error": str(error)}
            failed.append(path)
            logger.warning("%d of %d files: %s", number, len(paths), error)
        rows.append({"file": str(path), "folder": "" if "error" in row else name, **row})
        # Int64, so that counts remain integers when some are missing.
        write_csv(out / SUMMARY, pd.DataFrame(rows, columns=COLUMNS).astype({"points": "Int64", "events": "Int64"}))
    shown = pd.DataFrame(rows, columns=COLUMNS).drop(columns=["folder", "error"]).fillna("")
    sys.stdout.write(shown.to_string(index=False, float_format="{:.4g}".format) + f"\nsummary: {out / SUMMARY}\n")
    if failed:
        raise UserError(
            f"{len(failed)} of {len(paths)} files could not be scored, {', '.join(map(str, failed))}: "
            f"{out / SUMMARY} says why: correct them, or leave them out"
        )


def _row(findings: Findings) -> dict:
    events, score = findings.events, findings.score
    row = {"points": len(score), "events": len(events)}
    row["flagged_share"] = findings.record["event_points"] / len(score)
    if len(events):
        first = events.iloc[0]
        row |= {"begin": str(first["start"]), "end": str(first["end"]), "peak_score": first["peak_score"]}
    return row
