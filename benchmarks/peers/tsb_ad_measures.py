"""The measures of the package TSB-AD."""

from common import main
from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve
from TSB_AD.evaluation.metrics import get_metrics

METRICOR = basic_metricor()


def _tsb_ad(label, score, prediction):
    return get_metrics(score, label, slidingWindow=100)


def _vus(label, score, prediction):
    *_, roc, pr = generate_curve(label, score, 100)
    return {"roc": roc, "pr": pr}


def _f1_pa(label, score, prediction):
    return {"f1": METRICOR.metric_PointF1PA(label, score, preds=prediction)}


def _f1_event(label, score, prediction):
    return {"f1": METRICOR.metric_EventF1PA(label, score, preds=prediction)}


def _f1_r(label, score, prediction):
    return {"f1": METRICOR.metric_RF1(label, score, preds=prediction)}


def _affiliation(label, score, prediction):
    return {"f1": METRICOR.metric_Affiliation(label, score, preds=prediction)}


if __name__ == "__main__":
    main(
        {
            "tsb_ad": _tsb_ad,
            "vus": _vus,
            "f1_pa": _f1_pa,
            "f1_event": _f1_event,
            "f1_r": _f1_r,
            "affiliation": _affiliation,
        }
    )
