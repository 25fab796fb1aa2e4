"""Jobs: which there are, what is already done, and how they end."""

import json
import logging

import numpy as np
import pytest

from exp.benchmark import work
from exp.benchmark.experiment import Experiment
from exp.benchmark.jobs import Outcome, finished, make_jobs, select
from exp.benchmark.suites import UCR
from exp.benchmark.work import run_job
from exp.errors import UserError
from models import ConfigError
from tests.support.many_series import ManySeries


@pytest.fixture
def many(tmp_path):
    return ManySeries(tmp_path)


def jobs_of(many, *overrides, seeds=()):
    return make_jobs(many.config, overrides, many.root, many.save_path, seeds)


def do(job, mode="all", resume=False):
    return run_job(job, UCR, mode, "cpu", resume)


def refuse(*_, **__):
    raise AssertionError("this has been done already")


def test_one_job_for_each_series_and_seed(many):
    made = jobs_of(many, seeds=(1, 2))
    assert [(job.series, job.config.train.seed) for job in made] == [
        (name, seed) for name in many.names for seed in (1, 2)
    ]
    assert len({job.folder for job in made}) == len({job.key for job in made}) == 8
    assert [job.config.model.bank_size for job in made] == [4] * 4 + [8] * 4
    assert made[1].folder == many.folder(1, seed=2)
    assert [job.config.train.seed for job in jobs_of(many, "train.seed=7")] == [7] * 4


def test_the_key_is_that_of_what_changes_the_score(many):
    key = jobs_of(many)[0].key
    assert key == jobs_of(many, "evaluation.window=7")[0].key
    for change in ("train.seed=1", "model.d_model=32", "data.validation_share=0.3", "evaluation.cover_tail=true"):
        assert key != jobs_of(many, change)[0].key


@pytest.mark.parametrize(
    ("section", "value"), [("series", None), ("settings", [1]), ("model", None), ("settings", {1: {"bank_sise": 3}})]
)
def test_a_configuration_of_another_kind_is_refused(many, section, value):
    many.configure(**{section: value})
    with pytest.raises(ConfigError, match=r"config.yaml.*(must be|did you mean 'bank_size')"):
        jobs_of(many)


def test_a_configuration_of_a_single_series_is_refused(many):
    many.config.write_text("model: {name: CrossAD}\n")
    with pytest.raises(
        ConfigError, match=r"'series' must be .*: add it, as in .*, or run a single series with run\.py"
    ):
        jobs_of(many)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "no such file"),
        ("", "not a CSV file"),
        ('name,model_setting\na,"1\n', "not a CSV file"),
        ("name\na\n", "no column 'model_setting'"),
        ("name,model_setting\n", "lists no series"),
        ("name,model_setting\na,1\nb,3\n", "line 3: model_setting '3' is unknown"),
        ("name,model_setting\na,1\na,2\n", "line 2: name 'a' is empty or a duplicate"),
        ("name,model_setting\na,1\n,2\n", "line 3: name '' is empty"),
    ],
)
def test_a_faulty_table_of_series_is_refused(many, table, message):
    file = many.path / "settings.csv"
    file.unlink() if table is None else file.write_text(table)
    with pytest.raises(UserError, match=rf"settings\.csv.*{message}"):
        jobs_of(many)


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (None, [1, 2, 3, 4]),
        ("2", [2]),
        ("004, 001", [1, 4]),
        ("*_B_*", [3, 4]),
        ("001_UCR_Anomaly_A_200_250_260", [1]),
        ("001_UCR_Anomaly_A_200_250_260.txt,3", [1, 3]),
    ],
)
def test_select(many, patterns, chosen):
    made = jobs_of(many, seeds=(1, 2))
    assert select(made, patterns) == [job for job in made if int(job.series[:3]) in chosen]


@pytest.mark.parametrize("patterns", ["5", "1,", "*ECG*", ""])
def test_a_pattern_that_matches_nothing_is_refused(many, patterns):
    with pytest.raises(UserError, match="none of the 4 series"):
        select(jobs_of(many), patterns)


def test_finished():
    states = ("training", "trained", "done", "undefined", "failed")
    begun = {status: Outcome("", status, data={"file": "now"}) for status in states}
    for file in ("now", None):  # without the file nothing can be redone
        assert [status for status in begun if finished(begun[status], "all", file)] == ["done", "undefined"]
        assert [status for status in begun if finished(begun[status], "test", file)] == ["done", "undefined"]
        assert [status for status in begun if finished(begun[status], "train", file)] == [
            "trained",
            "done",
            "undefined",
        ]
    assert not any(finished(outcome, "evaluate", "now") for outcome in (None, *begun.values()))
    assert not any(finished(outcome, "all", "another") for outcome in (None, *begun.values()))
    assert not finished(Outcome("", "done"), "all", "now")
    assert not finished(None, "all", "now")


def test_no_stage_is_done_twice(many, monkeypatch):
    job = jobs_of(many)[0]
    assert do(job, "test").reason == "there is no finished training of this configuration: run with --mode train first"
    trained = do(job, "train")
    assert (trained.status, trained.score_seconds, trained.figures) == ("trained", None, {})
    assert do(job, "evaluate").reason.endswith("run with --mode test first")
    monkeypatch.setattr(Experiment, "train", refuse)
    done = do(job, "test")
    assert (done.status, done.train_seconds) == ("done", trained.train_seconds)
    assert list(done.figures) == UCR.columns[1:]
    monkeypatch.setattr(Experiment, "score_test", refuse)
    for mode in ("evaluate", "all"):
        assert do(job, mode) == done == job.outcome()


def test_figures_are_those_of_the_score(many):
    job = jobs_of(many)[0]
    figures = do(job).figures
    score, label = (np.load(job.folder / name) for name in ("a_test_energy.npy", "a_gt.npy"))
    score, label = score.mean(axis=1), label == 1
    assert figures["topk"] == 1 + (score > score[label].max()).sum()
    assert figures["total_len"] == len(score) == 120
    assert figures["3_alpha"] == (figures["alpha_quantile"] < 0.03)


def test_a_killed_training_is_trained_anew_or_resumed(many, monkeypatch):
    job, other = jobs_of(many)[:2]
    whole = do(other, "train")
    saved = Experiment.train
    monkeypatch.setattr(Experiment, "train", refuse)
    assert do(job).reason.startswith("AssertionError")
    resumed = []
    monkeypatch.setattr(
        Experiment, "train", lambda self, *, resume: (resumed.append(resume), saved(self, resume=resume))
    )
    do(job, resume=True)
    assert job.outcome().status == "done"
    assert whole.train_seconds > 0
    (job.folder / "result.json").write_text("{")  # nothing of this configuration is there to resume from
    assert do(job, resume=True).status == "done"
    assert resumed == [True, False]


def test_another_configuration_begins_anew_and_its_failure_keeps_what_is_there(many):
    job = jobs_of(many)[0]
    done = do(job)
    other = jobs_of(many, "train.learning_rate=2e-3")[0]
    assert other.outcome() is None
    assert do(other, "evaluate").status == "failed"
    assert do(jobs_of(many, "data.validation_share=0.999")[0]).status == "failed"
    assert job.outcome() == done
    assert do(other).figures != {}
    assert job.outcome() is None


def test_a_failure_after_the_training_costs_no_training(many, monkeypatch):
    job = jobs_of(many)[0]
    done = do(job)
    file = job.root / job.series
    moved = file.rename(file.with_suffix(".away"))
    failed = do(job, "evaluate")
    assert (failed.status, failed.figures) == ("failed", {})
    assert "no such file" in failed.reason
    moved.rename(file)
    monkeypatch.setattr(Experiment, "train", refuse)
    assert do(job).figures == done.figures


def test_whatever_goes_wrong_becomes_the_outcome(many, monkeypatch):
    job = jobs_of(many)[0]

    def explode(*_):
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(work, "read_series", explode)
    handlers = logging.getLogger().handlers[:]
    outcome = do(job)
    assert (outcome.status, outcome.reason) == ("failed", "RuntimeError: out of memory")
    assert job.outcome() == outcome
    assert "Traceback" in (job.folder / "log.txt").read_text()
    assert logging.getLogger().handlers == handlers


def test_a_folder_that_cannot_be_written(many):
    many.results.parent.mkdir()
    many.results.write_text("in the way")
    outcome = do(jobs_of(many)[0])
    assert outcome.status == "failed"
    assert "cannot write there" in outcome.reason


def test_an_undefined_measure_is_no_failure(many):
    name = "005_UCR_Anomaly_NONE_200_250_250.txt"
    (many.root / many.names[0]).rename(many.root / name)
    many.list((name, 1))
    job = jobs_of(many)[0]
    assert do(job).status == "undefined"
    assert "no anomalous point" in job.outcome().reason


def test_a_damaged_result_is_done_again(many, caplog):
    job = jobs_of(many)[0]
    done = do(job)
    written = json.loads((job.folder / "result.json").read_text())
    altered = [{"figures": None}, {"figures": {}}, {"figures": 3}, {"data": 3}, {"more": 1}]
    for text in ("", "[]", '{"key": 1}', *(json.dumps(written | change) for change in altered)):
        (job.folder / "result.json").write_text(text)
        assert job.outcome() is None, text
    assert "damaged" in caplog.text
    assert do(job).figures == done.figures
