"""The measures of the package tsadmetrics."""

from common import main
from tsadmetrics.metrics.tem.tpdm import PointadjustedFScore, RangebasedFScore
from tsadmetrics.metrics.tem.tstm import AffiliationbasedFScore, Pate, VusPr, VusRoc


def _vus(label, score, prediction):
    return {
        "roc": VusRoc(window=100).compute(label, score),
        "pr": VusPr(window=100).compute(label, score),
    }


def _pate_with_zero(label, score, prediction):
    return {"pate": Pate(early=100, delay=100).compute(label, score)}


def _f1_pa(label, score, prediction):
    return {"f1": PointadjustedFScore().compute(label, prediction)}


def _f1_r(label, score, prediction):
    measure = RangebasedFScore(p_alpha=0.0, r_alpha=0.2, cardinality_mode="reciprocal")
    return {"f1": measure.compute(label, prediction)}


def _affiliation(label, score, prediction):
    return {"f1": AffiliationbasedFScore().compute(label, prediction)}


if __name__ == "__main__":
    main({"vus": _vus, "pate_with_zero": _pate_with_zero, "f1_pa": _f1_pa, "f1_r": _f1_r, "affiliation": _affiliation})
