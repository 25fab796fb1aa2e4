"""The program `python -m exp.detect`: a CSV or Parquet file becomes ranked anomalies, a stream becomes alarms."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider import DataError
from data_provider.read.recording import Recording
from exp.cli.common import run_program
from exp.cli.detect_files import (
    TrainingFile,
    check_channels,
    check_values,
    folder_names,
    given_files,
    read_file,
    read_training_set,
    training_rows,
)
from exp.cli.detect_many import score_many
from exp.cli.detect_options import build_parser, check_options, rule_options
from exp.cli.findings import Findings, show, write_findings
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from exp.streaming.clock import parse_gap
from exp.streaming.layout import Reading
from exp.streaming.lines import STATE_EVERY, stream_lines
from ts_ad_evaluation import EvaluationError

__all__ = ["main", "training_rows"]

logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser(), arguments, after_interruption="")


def _run(options: argparse.Namespace) -> int:
    check_options(options)
    if options.stream:
        return _stream(options)
    paths, several = given_files(options)
    if options.model is not None:
        _score_saved(paths, several, options)
    else:
        _train_and_score(paths, several, options)
    return 0


def _score_saved(paths: list[Path], several: bool, options: argparse.Namespace) -> None:
    """Score files by a saved detector."""
    detector = _load(options)
    check_channels(options, detector)

    def score(path: Path, folder: Path) -> Findings:
        recording = read_file(path, options, detector)
        _say(recording, path)
        check_values(recording, detector, None, path)
        channel_scores = _score(detector, recording, path)
        with _folder_for_results(folder):
            told = {"trained_on": "an earlier run's series", **_events(options)}
            return write_findings(recording, detector, channel_scores, None, folder, **told)

    with _folder_for_results(options.out):
        if several:
            score_many(paths, folder_names(paths), options.out, score)
        else:
            show(score(paths[0], options.out))


def _train_and_score(paths: list[Path], several: bool, options: argparse.Namespace) -> None:
    """Train on files, and score them."""
    training = read_training_set(paths, options)
    for file in training:
        _say(file.recording, file.path)
    with _folder_for_results(options.out):
        detector = _train(training, options)
        if not several:
            (file,) = training
            channel_scores = _score(detector, file.recording, file.path)
            detector.save(options.out / "detector")
            told = {"trained_on": f"the first {file.rows} points", **_events(options)}
            show(write_findings(file.recording, detector, channel_scores, file.rows, options.out, **told))
            return
        detector.save(options.out / "detector")
        files = {file.path: file for file in training}

        def score(path: Path, folder: Path) -> Findings:
            file = files[path]
            channel_scores = _score(detector, file.recording, path)
            others = sum(other.rows > 0 for other in training if other is not file)
            told = {"trained_on": f"the first {file.rows} points, and {others} other files", **_events(options)}
            with _folder_for_results(folder):
                return write_findings(file.recording, detector, channel_scores, file.rows, folder, **told)

        score_many(paths, folder_names(paths), options.out, score)


def _say(recording: Recording, path: Path) -> None:
    for note in recording.notes:
        logger.warning("%s: %s", path, note)


def _score(detector: CrossADDetector, recording: Recording, path: Path) -> np.ndarray:
    """Return the scores (n, C) of the channels."""
    try:
        return detector.channel_scores(pd.DataFrame(recording.values, columns=list(recording.channels)))
    except (DataError, UserError) as error:
        raise UserError(f"{path}: {error}") from None


def _events(options: argparse.Namespace) -> dict:
    return {"merge_gap": options.merge_gap, "min_length": options.min_length}


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


def _train(training: list[TrainingFile], options: argparse.Namespace) -> CrossADDetector:
    names = ("detector", "config", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    given |= rule_options(options)
    overrides = list(options.set or ())
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")  # before a configuration's own
    detector = CrossADDetector(**given, overrides=tuple(overrides), device=options.device)
    frames = {str(file.path): file.frame[: file.rows] for file in training if file.rows}
    only = next(iter(frames)) if len(frames) == 1 else None
    try:
        return detector.fit(frames if only is None else frames[only])
    except DataError as error:
        known = only is None and str(error).startswith(tuple(f"{path}: " for path in frames))
        raise DataError(str(error) if known else f"{only or 'the training set'}: {error}") from None
    except EvaluationError as error:
        name = only or "the training set"
        raise EvaluationError(f"{name}: {error}: --threshold quantile, or --threshold NUMBER") from None
