"""What is saved of a fitted detector."""

from typing import Any

import numpy as np

from exp.config import ExperimentConfig
from exp.detection.aggregation import Aggregation
from exp.detection.training_scores import Fingerprint
from exp.training.provenance import versions

AGGREGATIONS, LEARNED = ("aggregation_", "causal_aggregation_"), ("scale", "levels")
QUANTILES = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)


def describe(detector: Any) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the description and the arrays of a fitted AnomalyDetector, as `storage.write` takes them."""
    description = {
        "detector": detector.config_.detector,
        "parameters": {**detector.get_params(), **detector.threshold_rule_._asdict()},
        "config": detector.config_.to_dict(),
        "reasons": detector.reasons_,
        "channels": list(getattr(detector, "feature_names_in_", [])),
        "n_features": detector.n_features_in_,
        "series": {name: one._asdict() for name, one in detector._series.items()},
        "score_channels": detector.score_channels_,
        "threshold": detector.threshold_,
        "spans": detector.aggregation_.spans,
        "train_score_quantiles": dict(
            zip(map(str, QUANTILES), np.quantile(detector.decision_scores_, QUANTILES).tolist(), strict=True)
        ),
        "epochs": detector.epochs_,
        "versions": versions(),
    }
    arrays = {
        "offset": detector.offset_,
        "scale": detector.scale_,
        "train_score": detector.decision_scores_,
        "causal_score": detector.causal_scores_,
        **{f"{name}.{part}": getattr(getattr(detector, name), part) for name in AGGREGATIONS for part in LEARNED},
        **{f"network.{name}": array for name, array in detector._weights().items()},
    }
    return description, arrays


def restore(kind: type, content: dict, arrays: dict[str, np.ndarray], *, device: str, bars: bool) -> Any:
    """Return the fitted detector, of the class `kind`, that `describe` told of, on a device, with bars or without."""
    parameters = {"detector": content["detector"], "aggregation": "published", **content["parameters"]}
    parameters |= {"device": device, "bars": bars}
    loaded = kind(**{**parameters, "overrides": tuple(parameters["overrides"])})
    loaded.config_ = ExperimentConfig.from_dict(content["config"])
    loaded.reasons_, loaded.epochs_, loaded._known = content["reasons"], content["epochs"], {}
    loaded._series = {name: Fingerprint(**one) for name, one in content.get("series", {}).items()}
    loaded.n_features_in_ = content["n_features"]
    loaded.score_channels_ = content.get("score_channels", loaded.n_features_in_)
    if content["channels"]:
        loaded.feature_names_in_ = np.array(content["channels"], dtype=object)
    loaded.offset_, loaded.scale_ = arrays.pop("offset"), arrays.pop("scale")
    loaded.decision_scores_ = arrays.pop("train_score")
    loaded.causal_scores_ = arrays.pop("causal_score")
    loaded._take_threshold(content["threshold"])
    learned = {name: arrays.pop(name) for name in list(arrays) if name.startswith(AGGREGATIONS)}
    loaded._restore({name.removeprefix("network."): array for name, array in arrays.items()})
    for name in AGGREGATIONS:
        setattr(loaded, name, _stored_aggregation(loaded, name, learned, tuple(content.get("spans", ()))))
    return loaded


def _stored_aggregation(detector: Any, name: str, arrays: dict[str, np.ndarray], spans: tuple[int, ...]) -> Aggregation:
    """Return an aggregation of a saved detector; one that was saved without has the published one."""
    causal = name == "causal_aggregation_"
    if not spans:
        return detector._aggregation([], causal=causal)
    scale, levels = (arrays[f"{name}.{part}"] for part in LEARNED)
    levels = levels.reshape(len(spans), -1)  # of earlier versions, without the axis of errors
    return Aggregation(scale, levels, spans, causal=causal, point_score=detector.detector_.model.point_score)
