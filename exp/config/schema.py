"""The configuration of an experiment: a YAML file and overrides become typed settings.

A file has four sections: `data`, `model` (with the detector's `name`; its other keys are the detector's own), `train`
and `evaluation`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from typing_extensions import Self

from models import DETECTORS, ConfigError, ModelSettings, Settings
from models.settings import nearest
from ts_ad_evaluation.evaluator import MEASURES

SEEDS = 2**32  # number of possible seeds
Share = Annotated[float, Field(gt=0, lt=1)]
Epochs = Annotated[tuple[PositiveInt, ...], Field(strict=False)]


class DataConfig(Settings):
    """Which series, and how it is prepared."""

    # Names the dataset in results and, in the format "table", its file data/NAME.csv.
    name: Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")]
    file: str | None = None  # below the root folder, for the other formats, which have one series per file
    format: Literal["table", "ucr", "tsb-ad"] = "table"  # of the file: see dataset/README.md
    drop_channels: Annotated[tuple[NonNegativeInt, ...], Field(strict=False)] = ()  # counted from 0
    train_rows: PositiveInt | None = None  # rows of the training part; none: as listed in DETECT_META.csv
    validation_share: Share = 0.2  # share of the training part, at its end
    standardise: Literal["train", "each"] = "train"  # all parts by the training part's statistics, or each by its own
    scaling: Literal["standard", "min-max"] = "standard"  # by mean and standard deviation, or to 0 … 1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.format == "table" and self.file is not None:
            raise ValueError("the format table reads data/NAME.csv: remove 'file', or set 'format' to ucr or tsb-ad")
        if self.format != "table" and self.train_rows is not None:
            raise ValueError(
                f"with the format {self.format} the file name gives the training rows: remove 'train_rows'"
            )
        return self


OF_SCHEDULE = {"milestones": "steps", "final_rate": "linear", "pct_start": "1cycle"}  # keys of one `lradj` alone


class TrainConfig(Settings):
    """How the network is trained."""

    train_epochs: PositiveInt = 20  # epochs at most
    batch_size: PositiveInt = 128  # windows
    epoch_windows: PositiveInt | None = None  # windows redrawn for each epoch; none: all
    optim: Literal["adam", "adamw"] = "adam"  # optimiser
    learning_rate: PositiveFloat = 1e-4  # of the first epoch; lradj changes it from there
    eps: PositiveFloat = 1e-8  # added to the optimiser's denominator
    weight_decay: NonNegativeFloat | None = None  # none: the optimiser's default, 0 for adam and 0.01 for adamw
    grad_norm: PositiveFloat | None = None  # longer gradients are clipped to this norm
    lradj: Literal["type1", "type2", "type3", "cosine", "1cycle", "steps", "linear"] = "type1"  # rate by epoch
    milestones: Epochs = ()  # epochs after which steps divides it by ten
    final_rate: NonNegativeFloat = 0.0  # of the last epoch under linear
    pct_start: Share = 0.3  # share of the steps in which 1cycle's rate rises
    patience: PositiveInt = 3  # epochs without a better validation loss before training stops
    min_delta: NonNegativeFloat = 0.0  # by how much a validation loss must be lower than the best to count as better
    min_delta_mode: Literal["absolute", "relative"] = "absolute"  # relative: min_delta is a share of the best loss
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] = 2025  # of weights, order of windows, dropout and routing
    precision: Literal["fp32", "bf16"] = "fp32"  # of the products inside the network
    compile: bool = False  # torch.compile: a slow start, then faster steps

    @model_validator(mode="after")
    def _check_min_delta(self) -> Self:
        if self.min_delta_mode == "relative" and not 0 < self.min_delta < 1:
            raise ValueError(
                f"min_delta is {self.min_delta:g}, which is not a share: use a number between 0 and 1, or remove "
                "min_delta_mode"
            )
        return self

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        for key, schedule in OF_SCHEDULE.items():
            if schedule != self.lradj and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} has no effect with lradj {self.lradj}, only with {schedule}: remove it")
        return self


def _known_measure(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"{name!r} is not a measure: {nearest(name, MEASURES)}")
    return name


Measures = Annotated[tuple[Annotated[str, AfterValidator(_known_measure)], ...], Field(strict=False)]


class EvaluationConfig(Settings):
    """How scores are measured."""

    metrics: Measures = ("auc", "r_auc", "vus", "best_f1")  # measures to write
    window: Annotated[int, Field(ge=0, le=10_000)] = 100  # buffer of r_auc and vus, in points
    n_thresholds: Annotated[int, Field(ge=2)] = 250  # number of thresholds of r_auc and vus
    spot_risks: Annotated[tuple[Share, ...], Field(min_length=1, strict=False)] = (0.1, 0.01, 0.001)  # risks of SPOT
    anomaly_ratio: Share | None = None  # sets thresholds by this share of the training part's scores instead of SPOT
    cover_tail: bool = False  # also score the points after the last whole window


WITHOUT_STEPS = {"batch_size", "epoch_windows", "seed", "precision"}  # keys of `train` that a decomposition uses


def _refuse_steps(train: TrainConfig, detector: str) -> None:
    """Refuse settings for gradient steps if the model takes none."""
    for key, field in TrainConfig.model_fields.items():
        if key not in WITHOUT_STEPS and getattr(train, key) != field.default:
            raise ConfigError(f"train.{key} has no effect, {detector} is trained without gradient steps: remove it")


LATER = {"min_delta": 0.0, "min_delta_mode": "absolute"}  # of `train`, with their defaults


@dataclass(frozen=True)
class ExperimentConfig:
    """All settings of one experiment; `detector` names the entry of `models.DETECTORS` that `model` belongs to."""

    data: DataConfig
    detector: str
    model: ModelSettings
    train: TrainConfig
    evaluation: EvaluationConfig

    @classmethod
    def from_dict(cls, mapping: dict) -> "ExperimentConfig":
        """Check a nested mapping with the four sections.

        Raises
        ------
        ConfigError
            One line that names the key and the remedy.
        """
        sections = ("data", "model", "train", "evaluation")
        for name in mapping:
            if name not in sections:
                many = name in ("series", "settings")
                hint = "use run_UCR.py or run_TSBAD.py, it is for many series" if many else nearest(str(name), sections)
                raise ConfigError(f"unknown section {name!r}: {hint}")
        for name in ("data", "model"):
            if name not in mapping:
                raise ConfigError(f"section {name!r} is missing")
        model = mapping["model"]
        detector = model.get("name") if isinstance(model, dict) else None
        if not isinstance(detector, str) or detector not in DETECTORS:
            raise ConfigError(f"model.name is {detector!r}: {nearest(str(detector), DETECTORS)}")
        own = {key: value for key, value in model.items() if key != "name"}
        train = TrainConfig.from_dict(mapping.get("train") or {}, section="train")
        if DETECTORS[detector].closed_form:
            _refuse_steps(train, detector)
        return cls(
            DataConfig.from_dict(mapping["data"], section="data"),
            detector,
            DETECTORS[detector].config.from_dict(own, section="model"),
            train,
            EvaluationConfig.from_dict(mapping.get("evaluation") or {}, section="evaluation"),
        )

    def to_dict(self) -> dict:
        """Return the nested mapping of plain values that `from_dict` accepts, with the defaults filled in.

        Settings introduced later are omitted at their defaults, so that earlier results still count as made with the
        same settings.
        """
        train = self.train.model_dump(mode="json")
        return {
            "data": self.data.model_dump(mode="json"),
            "model": {"name": self.detector, **self.model.model_dump(mode="json")},
            "train": {key: value for key, value in train.items() if LATER.get(key, ...) != value},
            "evaluation": self.evaluation.model_dump(mode="json"),
        }
