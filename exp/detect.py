"""The program `python -m exp.detect`: a CSV or Parquet file becomes ranked anomalies, a stream becomes alarms."""

import argparse
import json
import logging
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider import DataError
from data_provider.recording import Recording, read_recording
from exp.command_line import run_program
from exp.detector import CrossADDetector
from exp.devices import choose_device, describe_device
from exp.errors import UserError
from exp.events import ranked_events
from exp.report import Report, write_report
from exp.results import RunFolder, git_commit, versions
from exp.stream_lines import stream_lines
from ts_ad_evaluation import EvaluationError, Evaluator
from ts_ad_evaluation.files import replacing

logger = logging.getLogger(__name__)

METRICS = ("auc", "r_auc", "vus", "best_f1")
SHOWN = 10  # events on the terminal


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser().parse_args(arguments))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options."""
    parser = argparse.ArgumentParser(
        prog="python -m exp.detect", description="Find anomalies in a series of your own, or in a stream."
    )
    add = parser.add_argument
    add("series", type=Path, nargs="?", help="a CSV or Parquet file with a column for each channel")
    add("--out", type=Path, help="folder for the results")
    add("--model", type=Path, metavar="DIR", help="a saved detector (OUT/detector): score without training")
    data = parser.add_argument_group("the file")
    data.add_argument("--time", metavar="COLUMN", help="column of times (found by name or content)")
    data.add_argument("--channels", nargs="+", metavar="COLUMN", help="channels (all columns of numbers)")
    data.add_argument("--label", metavar="COLUMN", help="column of labels 0 and 1, to measure with ('label', if any)")
    data.add_argument("--missing", choices=["error", "interpolate"], default="error", help="missing values (error)")
    data.add_argument("--max-gap", type=int, metavar="POINTS", help="longest gap that is interpolated")
    training = parser.add_argument_group("the training")
    training.add_argument(
        "--train-until", metavar="END", help="train on what is before: a row (5000), a share (0.5) or a time (all)"
    )
    training.add_argument("--config", default="auto", help="a configuration file, or auto: by length and period (auto)")
    training.add_argument("--set", nargs="+", default=[], metavar="SECTION.KEY=VALUE", action="extend")
    training.add_argument("--threshold", default="spot", help="spot, quantile or a number (spot)")
    training.add_argument("--risk", type=float, default=1e-3, help="of spot (0.001)")
    training.add_argument("--quantile", type=float, default=0.99, help="of quantile (0.99)")
    training.add_argument("--seed", type=int, default=2025)
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (auto)")
    stream = parser.add_argument_group("a stream, CSV lines from standard input to a line of JSON for each point")
    stream.add_argument("--stream", action="store_true", help="score standard input by the detector --model")
    stream.add_argument(
        "--stream-mode",
        choices=["window", "causal"],
        default="window",
        help="window: whole windows, as the batch does; causal: each point at once (window)",
    )
    stream.add_argument("--state", type=Path, metavar="FILE", help="go on from this state, and leave the state there")
    stream.add_argument(
        "--drift-window", type=int, metavar="POINTS", help="let alarms follow the mean of so many scores"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    _check(options)
    if options.stream:
        return stream_lines(
            options.model,
            sys.stdin,
            sys.stdout,
            mode=options.stream_mode,
            state=options.state,
            drift_window=options.drift_window,
            device=options.device,
        )
    recording = read_recording(
        options.series,
        time=options.time,
        channels=options.channels,
        label=options.label,
        missing=options.missing,
        max_gap=options.max_gap,
    )
    for note in recording.notes:
        logger.warning("%s: %s", options.series, note)
    RunFolder(options.out).make()
    frame = pd.DataFrame(recording.values, columns=list(recording.channels))
    if options.model is None:
        train_end = training_rows(recording, options.train_until)
        detector = _train(frame[:train_end], options)
        detector.save(options.out / "detector")
    else:
        train_end = None
        detector = CrossADDetector.load(options.model, device=options.device)
        frame = _channels_of_training(frame, detector, options.series)
    try:
        channel_scores = detector.channel_scores(frame)
    except DataError as error:
        raise DataError(f"{options.series}: {error}") from None
    _write_results(recording, detector, channel_scores, train_end, options.out)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if options.stream:
        if options.model is None:
            raise UserError("--stream needs a saved detector: give --model DIR")
        if options.series is not None or options.out is not None:
            raise UserError("--stream reads standard input and writes standard output: leave out the file and --out")
        return
    if options.series is None or options.out is None:
        raise UserError("give a file and where to write: python -m exp.detect SERIES.csv --out DIR")
    if options.state is not None or options.drift_window is not None:
        raise UserError("--state and --drift-window belong to a stream: add --stream, or leave them out")
    if options.model is not None and options.train_until is not None:
        raise UserError("--train-until is for training, which --model replaces: leave one of them out")
    if options.max_gap is not None and options.missing == "error":
        raise UserError("--max-gap limits what is interpolated: add --missing interpolate")


def training_rows(recording: Recording, until: str | None) -> int:
    """Return how many rows train.

    Parameters
    ----------
    recording : Recording
    until : str or None
        A number of rows, a share in (0, 1] written with a point, or a time, whose row is the first that does not train.
        None: all rows.

    Raises
    ------
    UserError
        When it is none of these, or leaves no row.
    """
    points = len(recording.values)
    if until is None:
        return points
    if until.isdecimal():
        rows = int(until)
    elif _is_float(until):
        rows = round(points * float(until))
    else:
        rows = _rows_before(recording, until)
    if not 0 < rows <= points:
        raise UserError(
            f"--train-until {until}: means {rows} of the {points} rows: give a row, a share or a time within"
        )
    return rows


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows_before(recording: Recording, until: str) -> int:
    if not isinstance(recording.times, pd.DatetimeIndex):
        raise UserError(f"--train-until {until}: the file has no dates: give a row (5000) or a share (0.5)")
    try:
        time = pd.Timestamp(until)
        if (time.tzinfo is None) != (recording.times.tz is None):
            time = time.tz_localize(recording.times.tz) if time.tzinfo is None else time.tz_localize(None)
    except ValueError:
        raise UserError(f"--train-until {until}: neither a row, a share nor a time: correct it") from None
    return int(recording.times.searchsorted(time))


def _train(frame: pd.DataFrame, options: argparse.Namespace) -> CrossADDetector:
    threshold = float(options.threshold) if _is_float(options.threshold) else options.threshold
    detector = CrossADDetector(
        config=options.config,
        overrides=tuple(options.set),
        threshold=threshold,
        risk=options.risk,
        quantile=options.quantile,
        seed=options.seed,
        device=options.device,
    )
    try:
        return detector.fit(frame)
    except (DataError, EvaluationError) as error:
        raise DataError(f"{options.series}: {error}") from None


def _channels_of_training(frame: pd.DataFrame, detector: CrossADDetector, path: Path) -> pd.DataFrame:
    """Return the channels that the detector was trained on, in its order."""
    wanted = list(detector.feature_names_in_)
    missing = [name for name in wanted if name not in frame]
    if missing:
        raise UserError(
            f"{path}: lacks {', '.join(missing)} of the channels that the detector was trained on: "
            "rename the columns, or train anew"
        )
    others = [name for name in frame if name not in wanted]
    if others:
        raise UserError(
            f"{path}: the detector was not trained on {', '.join(others)}: "
            f"choose its channels with --channels {' '.join(wanted)}"
        )
    return frame[wanted]


def _write_results(
    recording: Recording, detector: CrossADDetector, channel_scores: np.ndarray, train_end: int | None, out: Path
) -> None:
    """Write scores, events, measures, record and report, and show the first events."""
    names = [str(name) for name in detector.feature_names_in_]
    score, threshold = detector.point_scores(channel_scores), detector.threshold_
    events = ranked_events(score, channel_scores, threshold, merge_gap=detector.window // 4, channels=names)
    times = recording.times if recording.times is not None else pd.RangeIndex(len(score))
    _write_csv(out / "scores.csv", _score_table(times, score, channel_scores, threshold, names))
    shown = events.assign(**{column: times[events[column].to_numpy(int)] for column in ("start", "end", "peak")})
    shown = shown.rename(columns={"peak": "peak_time"})
    _write_csv(out / "events.csv", shown)
    measures = _measure(recording.label, score, out)
    record = _record(recording, detector, train_end, events)
    with replacing(out / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    report = Report(
        title=recording.name,
        facts={name: str(value) for name, value in _facts(record).items()},
        times=recording.times,
        values=recording.values[:, [recording.channels.index(name) for name in names]],
        channels=tuple(names),
        score=score,
        channel_scores=channel_scores,
        threshold=threshold,
        events=events,
        label=recording.label,
        measures=measures,
        epochs=detector.epochs_,
        notes=recording.notes,
        train_end=train_end,
    )
    write_report(out / "report.html", report)
    for table in measures.values():
        for column, value in table.iloc[0].items():
            sys.stdout.write(f"{column:>16s}  {value:.6g}\n")
    if len(shown):
        sys.stdout.write(shown.head(SHOWN).to_string(index=False, float_format="{:.6g}".format) + "\n")
    sys.stdout.write(
        f"{len(events)} events above {threshold:.6g}, {(score > threshold).mean():.2%} of {len(score)} points; "
        f"all in {out}, to look at: {out / 'report.html'}\n"
    )


def _score_table(times, score, channel_scores, threshold, names) -> pd.DataFrame:
    columns = {f"score {name}": channel_scores[:, index] for index, name in enumerate(names)}
    return pd.DataFrame({"time": times, "score": score, **columns, "flag": (score > threshold).astype(np.uint8)})


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)


def _measure(label: np.ndarray | None, score: np.ndarray, out: Path) -> dict[str, pd.DataFrame]:
    """Return the measures' tables, none without labels or where these are all alike."""
    if label is None:
        return {}
    if label.min() == label.max():
        logger.warning("all labels are %d: nothing can be measured", label[0])
        return {}
    return Evaluator(label, score, out).evaluate(list(METRICS), verbose=False)


def _record(recording: Recording, detector: CrossADDetector, train_end: int | None, events: pd.DataFrame) -> dict:
    return {
        "series": recording.name,
        "points": len(recording.values),
        "channels": list(recording.channels),
        "notes": recording.notes,
        "trained_on": "another series" if train_end is None else f"the first {train_end} points",
        "scored": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": describe_device(choose_device(detector.device)),
        "parameters": detector.get_params(),
        "config": detector.config_.to_dict(),
        "reasons": detector.reasons_,
        "epochs": detector.epochs_,
        "threshold": detector.threshold_,
        "events": len(events),
        "git_commit": git_commit(),
        "versions": versions(),
    }


def _facts(record: dict) -> dict:
    """Return what the report says of the run."""
    settings = record["config"]
    return {
        "Detector": settings["model"]["name"],
        "Trained on": record["trained_on"],
        "Window": f"{settings['model']['seq_len']} points, patches of {settings['model']['patch_len']}",
        "Scales": ", ".join(map(str, settings["model"]["ms_kernels"])),
        "Chosen because": "; ".join(record["reasons"]) or "given",
        "Threshold": f"{record['threshold']:.6g} by {record['parameters']['threshold']}",
        "Seed": settings["train"]["seed"],
        "Device": record["device"],
        "Scored": record["scored"],
        "Versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }


if __name__ == "__main__":
    sys.exit(main())
