"""The program `python -m exp.detect`: a CSV or Parquet file becomes ranked anomalies, a stream becomes alarms."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from data_provider import DataError
from exp.cli.common import run_program
from exp.cli.detect_files import check_values, read_file, training_rows
from exp.cli.detect_options import build_parser, check_options, rule_options
from exp.cli.findings import show, write_findings
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from exp.streaming.clock import parse_gap
from exp.streaming.layout import Reading
from exp.streaming.lines import STATE_EVERY, stream_lines
from ts_ad_evaluation import EvaluationError

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser(), arguments, after_interruption="")


def _run(options: argparse.Namespace) -> int:
    check_options(options)
    if options.stream:
        return _stream(options)
    detector = None if options.model is None else _load(options)
    recording = read_file(options, detector)
    for note in recording.notes:
        logger.warning("%s: %s", options.series, note)
    frame = pd.DataFrame(recording.values, columns=list(recording.channels))
    train_end = training_rows(recording, options.train_until) if detector is None else None
    check_values(recording, detector, train_end, options.series)
    with _folder_for_results(options.out):
        if detector is None:
            detector = _train(frame[:train_end], options)
        try:
            channel_scores = detector.channel_scores(frame)
        except (DataError, UserError) as error:
            raise UserError(f"{options.series}: {error}") from None
        if train_end is not None:
            detector.save(options.out / "detector")
        findings = write_findings(
            recording,
            detector,
            channel_scores,
            train_end,
            options.out,
            merge_gap=options.merge_gap,
            min_length=options.min_length,
        )
        show(findings)
    return 0


def _load(options: argparse.Namespace) -> CrossADDetector:
    """Return the saved detector, its threshold set by the rule that is asked for."""
    detector, rule = CrossADDetector.load(options.model, device=options.device), rule_options(options)
    if rule:
        saved = f"{detector.threshold_:.6g}, {detector.threshold_rule}"
        try:
            detector.set_threshold(**rule)
        except EvaluationError as error:
            raise EvaluationError(f"{options.model}: {error}") from None
        logger.info(
            "the threshold is %.6g, %s; the saved one, %s, stays as it is in %s",
            detector.threshold_, detector.threshold_rule, saved, options.model,
        )  # fmt: skip
    return detector


def _stream(options: argparse.Namespace) -> int:
    reading = Reading(
        time=tuple(options.time or ()),
        separator=options.sep,
        decimal=options.decimal,
        header=None if options.header is None else options.header == "yes",
        encoding=options.encoding,
        date_format=options.date_format,
        timezone=options.timezone,
        missing_values=tuple(options.missing_values or ()),
    )
    return stream_lines(
        options.model,
        sys.stdin,
        sys.stdout,
        mode=options.stream_mode or "window",
        state=options.state,
        state_every=STATE_EVERY if options.state_every is None else options.state_every,
        drift_window=options.drift_window,
        gap=None if options.gap is None else parse_gap(options.gap),
        threshold=rule_options(options),
        reading=reading,
        device=options.device,
    )


@contextmanager
def _folder_for_results(out: Path) -> Iterator[None]:
    """Make the folder, before the work, and remove it again where an error leaves it empty."""
    new = [path for path in (out, *out.parents) if not path.exists()]
    try:
        try:
            out.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=out).close()
        except OSError as error:
            raise UserError(f"{out}: cannot write there ({error.strerror}): choose another folder with --out") from None
        yield
    except BaseException:
        for path in new:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def _train(frame: pd.DataFrame, options: argparse.Namespace) -> CrossADDetector:
    names = ("detector", "config", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    given |= rule_options(options)
    overrides = list(options.set or ())
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")  # before a configuration's own
    detector = CrossADDetector(**given, overrides=tuple(overrides), device=options.device)
    try:
        return detector.fit(frame)
    except DataError as error:
        raise DataError(f"{options.series}: {error}") from None
    except EvaluationError as error:
        raise EvaluationError(f"{options.series}: {error}: --threshold quantile, or --threshold NUMBER") from None
