"""An experiment: a configuration and a series become a trained network, scores and measures in one folder."""

import logging
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from data_provider import Parts, Series, read_dataset, read_tsb_ad, read_ucr, split_series
from data_provider.shipped import find_series
from exp.benchmark import provenance
from exp.benchmark.labels import why_unmeasurable
from exp.benchmark.run_folder import RunFolder
from exp.config import DataConfig, ExperimentConfig
from exp.detection.detector import Detector
from exp.errors import UserError
from exp.training import checkpoint
from exp.training.devices import describe_device
from exp.training.observers import EpochTable, TensorBoard
from exp.training.processes import ALONE, Processes
from exp.training.provenance import git_commit, versions
from exp.training.store import FileStore
from models import ConfigError
from ts_ad_evaluation import Evaluator
from ts_ad_evaluation.evaluator import MEASURES, THRESHOLD
from ts_ad_evaluation.figures import plot_scores

logger = logging.getLogger(__name__)


def read_series(config: DataConfig, root: Path) -> Series:
    """Read the series that a configuration names from the folder `root`, without the channels it drops."""
    if config.format == "table":
        series = read_dataset(root, config.name, train_rows=config.train_rows)
    elif config.file is None:
        raise UserError(f"key 'data.file' is missing: with data.format {config.format!r} it names the series' file")
    else:
        read = {"ucr": read_ucr, "tsb-ad": read_tsb_ad}[config.format]
        series = read(find_series(root, config.file))
    return series.select(drop=config.drop_channels)


class Experiment:
    """One detector on one series.

    Parameters
    ----------
    config : ExperimentConfig
    series : Series
    folder : RunFolder
        Where everything is written; created if missing.
    device : torch.device
    processes : Processes
        Those that train together.
    bars : bool
        Show progress bars if the output is a terminal.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        series: Series,
        folder: RunFolder,
        device: torch.device,
        processes: Processes = ALONE,
        bars: bool = True,
    ):
        self.config, self.folder, self.device, self.processes = config, folder, device, processes
        self.parts: Parts = split_series(
            series,
            validation_share=config.data.validation_share,
            standardise=config.data.standardise,
            scaling=config.data.scaling,
        )
        self.series_name, self.train_label = series.name, series.train_label
        self.data = provenance.digest_series(series)
        self.detector = Detector(config, len(series.channels), device, processes, bars)
        self.training_windows = self.detector.training_windows(self.parts.train, self._name("training part"))
        self.validation_windows = self.detector.validation_windows(
            self.parts.validation, self.parts.train_full, self._name("validation part")
        )
        self.scored_points = self.detector.scored_points(
            self.parts.test, cover_tail=config.evaluation.cover_tail, name=self._name("test part")
        )
        self._log_summary()

    def train(self, *, resume: bool = False, tensorboard: bool = False) -> None:
        """Train, and keep the weights of the epoch with the lowest validation loss.

        Parameters
        ----------
        resume : bool
            Continue after the last completed epoch of an interrupted training run in the same folder.
        tensorboard : bool
            Also write scalars for TensorBoard.
        """
        store = FileStore(self.folder.checkpoint, self.folder.state, self.config)
        state = store.read_state() if resume else None
        if state is not None:
            provenance.check_training_data(self.folder.read_record(), self.data, self.folder.path)
            checkpoint.check_fit(self.folder.state, state.get("network"), self.detector.network)
        if self.processes.first:
            self.folder.make()
            if state is None:
                self.folder.clear()
                self.folder.update_record(trained_on={"train": self.data["train"]})
            self._start_record("training")
        self.processes.wait()
        observers = [EpochTable(self.folder.epochs), *([TensorBoard(self.folder.tensorboard)] if tensorboard else [])]
        progress = self.detector.fit(
            self.training_windows, self.validation_windows, store=store, state=state, observers=observers
        )
        if self.processes.first:
            self.folder.update_record(
                status="trained",
                best_epoch=progress.best_epoch,
                epochs=progress.epochs,
                train_seconds=progress.seconds,
                weights=provenance.digest_weights(self.detector.network.state_dict()),
            )

    def check_measures(self, metrics, *, with_thresholds: bool) -> None:
        """Check before any work that the test part can be evaluated.

        Parameters
        ----------
        metrics : sequence of str
            Names of the evaluation package's measures.
        with_thresholds : bool
            Whether there will be thresholds.

        Raises
        ------
        UserError
            When a measure lacks thresholds, or the points to be scored are all normal or all anomalous.
        """
        by_threshold = [name for name in metrics if MEASURES[name].takes == THRESHOLD]
        if by_threshold and not with_thresholds:
            raise UserError(
                f"{by_threshold[0]} needs thresholds: give --thresholds, or use --mode evaluate, where SPOT sets them"
            )
        reason = why_unmeasurable(self.train_label, self.parts.test_label, self.scored_points) if metrics else None
        if reason:
            raise UserError(f"{self.series_name}: {reason}, or use --set evaluation.metrics=[] for scores only")

    def test(self, metrics, *, thresholds=None, weights: Path | None = None, keep_scores: bool = False) -> dict:
        """Score the test part, plot the score, and evaluate it.

        Parameters
        ----------
        metrics : sequence of str
            Names of the evaluation package's measures.
        thresholds : sequence of float, optional
            For measures that need them.
        weights : Path, optional
            A checkpoint of this project or a published one; by default the one in the run's folder.
        keep_scores : bool
            Evaluate the scores in the folder if they come from the same weights, values and settings.

        Returns
        -------
        dict of str to pandas.DataFrame
            A table for each measure, also written to `_<measure>.csv`.
        """
        if keep_scores and self._keep_scores(weights, self.folder.test_score):
            score, label = self.folder.load_array(self.folder.test_score), self.folder.load_array(self.folder.label)
        else:
            score, label = self.score_test(weights)
        points = self.detector.score_points(score)
        plot_scores(self.parts.test[: len(score)], points, label, path=self.folder.figure)
        tables = self._measure(self._evaluator(score, label), metrics, thresholds)
        self.folder.update_record(status="tested")
        return tables

    def evaluate(self, metrics, *, thresholds=None, weights: Path | None = None) -> dict:
        """Set thresholds from the scores of the whole training part, and compute the measures that need them.

        Scores in the folder are used if they come from the same weights, values and settings; otherwise they are
        computed.

        Parameters
        ----------
        metrics : sequence of str
            Names of the evaluation package's measures.
        thresholds : sequence of float, optional
            Used instead of SPOT's.
        weights : Path, optional
            As in `test`.

        Returns
        -------
        dict of str to pandas.DataFrame
            A table for each measure; the thresholds are written to `_spot_thres_info.csv`, or for a given anomaly ratio
            to `_prior_anomaly_rate_thres_info.csv`.
        """
        files = (self.folder.test_score, self.folder.label, self.folder.train_score)
        if not self._keep_scores(weights, *files):
            self.score_test(weights)
            self.folder.save_array(self.folder.train_score, self.score_part("train"))
        test_score, label, train_score = (self.folder.load_array(file) for file in files)
        evaluator = self._evaluator(test_score, label)
        if thresholds is None:
            thresholds = self._thresholds(evaluator, self.detector.score_points(train_score))
        tables = self._measure(evaluator, metrics, thresholds)
        self.folder.update_record(status="evaluated")
        return tables

    def score_test(self, weights: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score the test part, and write the scores and labels of the scored points.

        Parameters
        ----------
        weights : Path, optional
            As in `test`.

        Returns
        -------
        score : float32 array of shape (points, C)
        label : uint8 array of shape (points,)
        """
        weights = self._load_weights(weights)
        start = time.perf_counter()
        try:
            score = self.score_part("test")
        except ConfigError as error:
            raise UserError(f"{weights}: {error}") from None
        seconds = time.perf_counter() - start
        label = self.parts.test_label[: len(score)]
        logger.info("scored %d of %d test points in %.1f s", len(score), len(self.parts.test), seconds)
        self.folder.make()
        record = self.folder.read_record()
        origin = self._origin(provenance.digest_weights(self.detector.network.state_dict()))
        # While the files are being written, their origin is unknown.
        self._start_record("scoring", checkpoint=str(weights), scored_with=None, **self._of_training(weights))
        if record.get("scored_with") != origin:
            self.folder.forget_train_score()
        if record.get("scored_with") != origin or record.get("labels") != self.data["labels"]:
            self.folder.forget_measures()
        self.folder.save_array(self.folder.test_score, score)
        self.folder.save_array(self.folder.label, label)
        self.folder.update_record(
            status="scored", scored_with=origin, labels=self.data["labels"], score_seconds=round(seconds, 3)
        )
        return score, label

    def _keep_scores(self, weights: Path | None, *files: Path) -> bool:
        """Whether the folder holds these files, with scores as they would be now; if so, update its labels."""
        if not all(file.is_file() for file in files):
            return False
        record = self.folder.read_record()
        reason = provenance.other_origin(record.get("scored_with"), self._origin(self._weights_digest(weights, record)))
        if reason:
            logger.warning("the scores in %s are recomputed: %s", self.folder.path, reason)
            return False
        logger.info("using the scores in %s", self.folder.path)
        if record.get("labels") != self.data["labels"]:
            logger.warning("the labels have changed since: the scores are evaluated again")
            self.folder.forget_measures()
            covered = len(self.folder.load_array(self.folder.test_score))
            self.folder.save_array(self.folder.label, self.parts.test_label[:covered])
            self.folder.update_record(labels=self.data["labels"])
        return True

    def _weights_digest(self, weights: Path | None, record: dict) -> str:
        """Return the digest of the weights to score with; for the folder's own weights it is in the record."""
        if weights is None and not self.folder.checkpoint.is_file() and "weights" in record:
            return record["weights"]
        self._load_weights(weights)
        return provenance.digest_weights(self.detector.network.state_dict())

    def _load_weights(self, weights: Path | None) -> Path:
        """Fill the network from a checkpoint, by default the folder's own, and return which one."""
        own = self.folder.checkpoint
        checkpoint.load_network(weights or own, self.detector.network, self.config)
        trained_on = self.folder.read_record().get("trained_on") if weights in (None, own) else None
        for part in provenance.changes(trained_on, self.data, ["train"]):
            logger.warning("%s: %s have changed since these weights were trained", self.folder.path, part)
        return weights or own

    def _origin(self, weights: str) -> dict:
        return provenance.scoring_origin(self.config, self.data, weights)

    def _evaluator(self, score: np.ndarray, label: np.ndarray) -> Evaluator:
        return Evaluator(label, self.detector.score_points(score), self.folder.path)

    def _thresholds(self, evaluator: Evaluator, train_score: np.ndarray) -> list[float]:
        evaluation = self.config.evaluation
        if evaluation.anomaly_ratio is None:
            return evaluator.find_thres("spot", verbose=False, init_score=train_score, q=list(evaluation.spot_risks))
        return evaluator.find_thres(
            "prior_anomaly_rate", verbose=False, init_score=train_score, pAR=[evaluation.anomaly_ratio]
        )

    def _measure(self, evaluator: Evaluator, metrics, thresholds) -> dict:
        if not metrics:
            return {}
        evaluation = self.config.evaluation
        by_threshold = [name for name in metrics if MEASURES[name].takes == THRESHOLD]
        return evaluator.evaluate(
            list(metrics),
            slidingWindow=evaluation.window,
            thre=evaluation.n_thresholds,
            verbose=False,
            **dict.fromkeys(by_threshold, thresholds),
        )

    def score_part(self, part: Literal["train", "test"]) -> np.ndarray:
        """Return the scores (points, C) of the whole training or test part; raises like `Scorer.score`."""
        values = self.parts.train_full if part == "train" else self.parts.test
        name = self._name("training part" if part == "train" else "test part")
        return self.detector.score_published(values, cover_tail=self.config.evaluation.cover_tail, name=name)

    def _name(self, title: str) -> str:
        return f"{self.config.data.name}: the {title}"

    def _log_summary(self) -> None:
        parts, label = self.parts, self.parts.test_label
        parameters = sum(parameter.numel() for parameter in self.detector.network.parameters())
        logger.info("device: %s, precision %s", describe_device(self.device), self.config.train.precision)
        logger.info(
            "%s: %d channels, %d training and %d validation points, %d to score%s",
            self.series_name, len(parts.channels), len(parts.train), len(parts.validation), len(parts.test),
            f", {label.mean():.2%} anomalous" if label.any() else "",
        )  # fmt: skip
        logger.info(
            "%s: %d parameters, %d training windows of %d points",
            self.config.detector, parameters, len(self.training_windows), self.detector.length,
        )  # fmt: skip

    def _of_training(self, weights: Path) -> dict:
        """Return what the record must keep about the training run behind the folder's own weights."""
        record = self.folder.read_record()
        if weights != self.folder.checkpoint or "epochs" not in record:
            return {}
        return {"seed": record["seed"], "config": {**self.config.to_dict(), "train": record["config"]["train"]}}

    def _start_record(self, status: str, **entries) -> None:
        record = {
            "dataset": self.config.data.name,
            "model": self.config.detector,
            "seed": self.config.train.seed,
            "status": status,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "device": describe_device(self.device),
            "git_commit": git_commit(),
            "versions": versions(),
            "config": self.config.to_dict(),
        }
        self.folder.update_record(**{**record, **entries})
