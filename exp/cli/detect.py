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
from exp.cli.detect_options import check_options, chosen_detector, form_options, rule_options
from exp.cli.findings import Findings, show, write_findings
from exp.cli.series_options import detect_parser
from exp.detection.estimator import CrossADDetector
from exp.detection.explanation import check_explicable
from exp.detection.thresholds import ThresholdRule
from exp.errors import UserError
from exp.streaming.clock import parse_gap
from exp.streaming.layout import Reading
from exp.streaming.lines import STATE_EVERY, stream_lines
from exp.training.observers import TensorBoard, forget_scalars
from models import AUTO
from ts_ad_evaluation import EvaluationError

__all__ = ["main", "training_rows"]

logger = logging.getLogger(__name__)

SCALARS = "tensorboard"  # in the folder of the results


def main(arguments: list[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run the program and return its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        By default the process's.
    parser : ArgumentParser, optional
        Of the options; by default `detect_parser`'s.
    """
    return run_program(_run, parser or detect_parser(), arguments, after_interruption="")


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
    """Score files with a saved detector."""
    detector = _load(options)
    check_channels(options, detector)

    def score(path: Path, folder: Path) -> Findings:
        recording = read_file(path, options, detector)
        _say(recording, path)
        check_values(recording, detector, None, path)
        channel_errors = _score(detector, recording, path)
        with _folder_for_results(folder):
            details = {"trained_on": "an earlier run's series", **_events(options)}
            said = len(recording.notes)
            findings = write_findings(recording, detector, channel_errors, None, folder, **details)
            _say(recording, path, since=said)
            return findings

    with _folder_for_results(options.out):
        forget_scalars(options.out / SCALARS)
        if several:
            score_many(paths, folder_names(paths), options.out, score)
        else:
            show(score(paths[0], options.out))


def _train_and_score(paths: list[Path], several: bool, options: argparse.Namespace) -> None:
    """Train on files and score them."""
    known = None if options.before is None else _read_detector(options.before, options)
    if known is not None:
        check_channels(options, known)
    training = read_training_set(paths, options, known)
    for file in training:
        _say(file.recording, file.path)
    with _folder_for_results(options.out):
        detector = _train(training, options, known)
        if not options.tensorboard:
            forget_scalars(options.out / SCALARS)
        if not several:
            channel_errors = _score_training_file(detector, training[0], training)
            detector.save(options.out / "detector")
            show(_write(training[0], training, detector, channel_errors, options.out, options))
            return
        detector.save(options.out / "detector")
        files = {file.path: file for file in training}

        def score(path: Path, folder: Path) -> Findings:
            channel_errors = _score_training_file(detector, files[path], training)
            with _folder_for_results(folder):
                return _write(files[path], training, detector, channel_errors, folder, options)

        score_many(paths, folder_names(paths), options.out, score)


def _write(
    file: TrainingFile, training: list[TrainingFile], detector, channel_errors, folder: Path, options
) -> Findings:
    """Write the results for one of the training files."""
    trained_on, others = f"the first {file.rows} points", sum(other.rows > 0 for other in training if other is not file)
    if len(training) > 1:
        trained_on += f", and {others} other files"
    if options.before is not None:
        trained_on += f", continuing {options.before}"
    held_out = detector.held_out(*_own_name(file, training)) if file.rows else []
    details = {"trained_on": trained_on, "held_out": held_out, **_events(options)}
    return write_findings(file.recording, detector, channel_errors, file.rows, folder, **details)


def _say(recording: Recording, path: Path, *, since: int = 0) -> None:
    for note in recording.notes[since:]:
        logger.warning("%s: %s", path, note)


def _score(detector: CrossADDetector, recording: Recording, path: Path) -> np.ndarray:
    """Return the errors of the channels, as `AnomalyDetector.channel_errors` does."""
    try:
        return detector.channel_errors(pd.DataFrame(recording.values, columns=list(recording.channels)))
    except (DataError, UserError) as error:
        raise UserError(f"{path}: {error}") from None


def _score_training_file(detector: CrossADDetector, file: TrainingFile, training: list[TrainingFile]) -> np.ndarray:
    """Return the errors of the channels of a file of the training set."""
    if not file.rows:
        return _score(detector, file.recording, file.path)
    try:
        return detector.channel_errors_of_training(file.frame, *_own_name(file, training))
    except (DataError, UserError) as error:
        raise UserError(f"{file.path}: {error}") from None


def _own_name(file: TrainingFile, training: list[TrainingFile]) -> list[str]:
    """Return the name of a file that was trained on among the detector's series; a single one has none."""
    return [str(file.path)] if sum(other.rows > 0 for other in training) > 1 else []


def _events(options: argparse.Namespace) -> dict:
    return {"merge_gap": options.merge_gap, "min_length": options.min_length, "explain": options.explain}


def _load(options: argparse.Namespace) -> CrossADDetector:
    """Return the saved detector, with its threshold set by the given rule, if any."""
    detector, rule = _read_detector(options.model, options), rule_options(options)
    if rule:
        saved = f"{detector.threshold_:.6g}, {detector.threshold_rule_}"
        try:
            detector.set_threshold(**rule)
        except EvaluationError as error:
            raise EvaluationError(f"{options.model}: {error}") from None
        logger.info(
            "the threshold is %.6g, %s; the saved one, %s, is left unchanged in %s",
            detector.threshold_, detector.threshold_rule_, saved, options.model,
        )  # fmt: skip
    return detector


def _read_detector(folder: Path, options: argparse.Namespace) -> CrossADDetector:
    detector = CrossADDetector.load(folder, device=options.device, bars=True)
    if options.explain:
        check_explicable(detector.config_.detector)
    return detector


def _stream(options: argparse.Namespace) -> int:
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
        alarms=bool(options.alarms),
        merge_gap=options.merge_gap,
        min_length=options.min_length,
        reading=Reading(**form_options(options)),
        device=options.device,
    )


@contextmanager
def _folder_for_results(out: Path) -> Iterator[None]:
    """Create the folder before the work, and remove it again if an error leaves it empty."""
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


def _train(training: list[TrainingFile], options: argparse.Namespace, known: CrossADDetector | None) -> CrossADDetector:
    """Return a detector trained on the files: a new one, or `known` with its training continued."""
    frames = {str(file.path): file.frame[: file.rows] for file in training if file.rows}
    only = next(iter(frames)) if len(frames) == 1 else None
    series = frames if only is None else frames[only]
    observers = [TensorBoard(options.out / SCALARS)] if options.tensorboard else []
    try:
        if known is None:
            return _unfitted(options).fit(series, observers=observers)
        rule = rule_options(options)
        if rule:
            known.set_params(**ThresholdRule(**rule)._asdict())
        return known.continue_fit(series, overrides=options.set or (), observers=observers)
    except DataError as error:
        named = only is None and str(error).startswith(tuple(f"{path}: " for path in frames))
        raise DataError(str(error) if named else f"{only or 'the training set'}: {error}") from None
    except EvaluationError as error:
        name = only or "the training set"
        raise EvaluationError(f"{name}: {error}: --threshold quantile, or --threshold NUMBER") from None


def _unfitted(options: argparse.Namespace) -> CrossADDetector:
    given = {name: getattr(options, name) for name in ("config", "seed") if getattr(options, name) is not None}
    given |= {"detector": chosen_detector(options), "bars": True}
    if options.detector is None and given["detector"] != AUTO:
        logger.info(
            "the detector is %s, as --set and --config apply to a single model: choose another with --detector",
            given["detector"],
        )
    overrides = list(options.set or ())
    if options.seed is not None:
        overrides.append(f"train.seed={options.seed}")  # takes precedence over a configuration's own
    return CrossADDetector(**given, **rule_options(options), overrides=tuple(overrides), device=options.device)
