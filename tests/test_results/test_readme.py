"""The tables of test_results/README.md against the files behind them."""

import csv
import json
import statistics

import pytest

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import summarise
from tests.support.paths import REPOSITORY, SHARED

RESULTS = REPOSITORY / "test_results"
RELEASED = SHARED / "reference" / "published_ucr.csv"
SPEED = REPOSITORY / "benchmarks" / "results" / "speed_nvidia_h200.csv"
COMPILED = REPOSITORY / "benchmarks" / "results" / "compiled_nvidia_h200.csv"
ALPHA = ("3_alpha", "10_alpha", "alpha_quantile")


def rows_of(file, **options):
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, **options))


def readme_tables():
    """Return the tables, each a list of dicts, by their first two column names."""
    tables, table = {}, []
    for line in [*(RESULTS / "README.md").read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            header, _, *rows = table
            tables[tuple(header[:2])] = [dict(zip(header, row, strict=True)) for row in rows]
            table = []
    return tables


TABLES = readme_tables()


def test_nothing_is_missing():
    assert [len(table) for table in TABLES.values()] == [21, 9, 3, 9, 8, 76, 7, 71, 21, 6, len(rows_of(SPEED)), 14]
    servers = {row["server"] for row in TABLES["server", "model"]}
    assert {run.dataset for run in find_runs(RESULTS)} == {"GECCO", "MSL", "SMAP", "UCR", "UCR_published"} | servers


def test_records_name_no_folder_of_a_machine():
    files = sorted(RESULTS.rglob("*.json"))
    assert files
    assert [file for file in files if '"/' in file.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("row", TABLES["dataset", "measure"], ids=lambda row: f"{row['dataset']} {row['measure']}")
def test_measures(row):
    found = next(
        one
        for one in summarise(find_runs(RESULTS / row["dataset"]))[0]
        if (one.dataset, one.metric) == (row["dataset"], row["measure"])
    )
    assert row["published"] == f"{found.published:.4f}"
    assert row["mean"] == f"{found.mean:.4f}"
    assert row["standard deviation"] == f"{found.std:.4f}"
    assert row["difference"] == f"{found.mean - found.published:+.4f}"
    seeds = {one["metric"]: one for one in rows_of(RESULTS / row["dataset"] / "seeds.csv")}[row["measure"]]
    assert float(seeds["mean"]) == pytest.approx(found.mean)
    for seed in ("2025", "2026", "2027"):
        assert row[seed] == f"{float(seeds[seed]):.4f}"


@pytest.mark.parametrize("row", TABLES["dataset", "seed"], ids=lambda row: f"{row['dataset']} {row['seed']}")
def test_trainings(row):
    record = json.loads((RESULTS / row["dataset"] / f"seed_{row['seed']}" / "run.json").read_text(encoding="utf-8"))
    losses = [epoch["validation_loss"] for epoch in record["epochs"]]
    assert row["epochs"] == f"{len(losses)} of {record['config']['train']['train_epochs']}"
    assert row["ended by"] == ("time" if "stopped" in record else "patience")
    assert [row["validation loss, first"], row["last"]] == [f"{losses[0]:.5f}", f"{losses[-1]:.5f}"]
    assert row["lowest"] == f"{min(losses):.5f}"
    assert int(row["epoch"]) == record["best_epoch"] == losses.index(min(losses)) + 1
    assert row["training, s"] == f"{record['train_seconds']:.0f}"
    assert record["device"] == "cuda (NVIDIA H200)"
    assert record["git_commit"][:7] == ("96c1e8b" if row["dataset"] == "GECCO" and row["seed"] == "2025" else "ce2509d")


@pytest.mark.parametrize("row", TABLES["candidate", "series"], ids=lambda row: row["candidate"])
def test_candidates(row):
    found = {one["candidate"]: one for one in rows_of(RESULTS / "UCR" / "candidates.csv")}[row["candidate"]]
    assert row["series"] == found["series"]
    names = {"accuracy_3": "accuracy at 3 %", "accuracy_10": "accuracy at 10 %", "mean_alpha": "mean alpha"}
    assert [row[title] for title in names.values()] == [f"{float(found[name]):.4f}" for name in names]


@pytest.mark.parametrize("row", TABLES["series", "n"], ids=lambda row: f"{row['table']}, {row['series']}")
def test_ucr(row):
    if row["table"] == "released":
        if not RELEASED.is_file():
            pytest.skip(f"needs {RELEASED}")
        table = rows_of(RELEASED, fieldnames=("name", "topk", "total_len", "alpha_quantile", "3_alpha", "10_alpha"))
    else:
        table = rows_of(RESULTS / row["table"] / "ucr.csv")
    counted = {one["name"] for one in rows_of(RESULTS / "UCR" / "ucr.csv")}
    chosen = {name for name in counted if name[2] in "38" and int(name[:3]) <= 198}
    names = {"chosen on": chosen, "the others": counted - chosen, "all": counted}[row["series"]]
    part = [one for one in table if one["name"] in names]
    assert int(row["n"]) == len(part) == len(names)
    truth = {"True": 1.0, "False": 0.0}
    means = [statistics.fmean(float(truth.get(one[name], one[name])) for one in part) for name in ALPHA]
    assert [row[title] for title in ("accuracy at 3 %", "accuracy at 10 %", "mean alpha")] == [
        f"{mean:.4f}" for mean in means
    ]


@pytest.mark.parametrize("number", range(len(TABLES["configuration", "what"])))
def test_speed(number):
    row, found = TABLES["configuration", "what"][number], rows_of(SPEED)[number]
    assert found["compiled"] == "False"
    assert list(row.values()) == [
        *(found[name] for name in ("config", "what", "precision", "batch")),
        f"{1e3 * float(found['seconds']):.2f}",
        f"{float(found['windows_per_second']):.0f}",
        f"{float(found['rate']) / 1e12:.2f}",
        f"{float(found['share']):.3f}",
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/reproducing.md"])
@pytest.mark.parametrize("name", ["MSL", "SMAP", "GECCO"])
def test_the_pages_have_the_means_of_the_seeds(name, page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(f"| {name} | ") and line.count("|") == 6]
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    means = {row["metric"]: float(row["mean"]) for row in rows_of(RESULTS / name / "seeds.csv")}
    assert [cells[2], cells[4]] == [f"{means[measure]:.4f}" for measure in ("VUS_ROC", "VUS_PR")]
    published = {one.metric: one.published for one in summarise(find_runs(RESULTS / name))[0]}
    assert [cells[1], cells[3]] == [f"{published[measure]:.4f}" for measure in ("VUS_ROC", "VUS_PR")]


@pytest.mark.parametrize("row", TABLES["server", "model"], ids=lambda row: f"{row['server']} {row['model']}")
def test_servers(row):
    folder = RESULTS / "auto" / row["server"]
    record = json.loads((folder / "seed_2025" / "run.json").read_text(encoding="utf-8"))
    if record["model"] != row["model"]:
        folder = folder / row["model"]
    check_server(row, folder, row["model"])


@pytest.mark.parametrize("row", TABLES["server", "detector"], ids=lambda row: f"{row['server']} {row['detector']}")
def test_servers_with_published_settings(row):
    folder = RESULTS / "servers" / row["server"]
    record = check_server(row, folder if row["detector"] == "CrossAD" else folder / row["detector"], row["detector"])
    assert int(row["epochs"]) == len(record["epochs"]) == record["config"]["train"]["train_epochs"]


@pytest.mark.parametrize(
    "row", TABLES["servers of", "detector"], ids=lambda row: f"{row['servers of']} {row['detector']}"
)
def test_means_with_published_settings(row):
    check_means(row, row["servers of"], "detector")


@pytest.mark.parametrize("row", TABLES["server", "VUS_ROC 2025"], ids=lambda row: row["server"])
def test_servers_with_three_seeds(row):
    epochs = 5 if row["server"].startswith("omi") else 1
    for seed in ("2025", "2026", "2027"):
        folder = RESULTS / "servers" / row["server"] / "AxonAD" / f"seed_{seed}"
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        assert (record["seed"], len(record["epochs"]), "stopped" in record) == (int(seed), epochs, False)
        (vus,) = rows_of(folder / "_vus.csv")
        for measure in ("VUS_ROC", "VUS_PR"):
            assert row[f"{measure} {seed}"] == f"{float(vus[measure]):.3f}"


@pytest.mark.parametrize("servers", ["omi-*", "machine-*"])
def test_the_means_of_three_seeds(servers):
    text = " ".join((RESULTS / "README.md").read_text(encoding="utf-8").split())
    for measure in ("VUS_ROC", "VUS_PR"):
        means = []
        for seed in ("2025", "2026", "2027"):
            folders = (RESULTS / "servers").glob(f"{servers}/AxonAD/seed_{seed}")
            means.append(statistics.mean(float(rows_of(folder / "_vus.csv")[0][measure]) for folder in folders))
        assert f"{', '.join(f'{mean:.3f}' for mean in means)} ({measure})" in text


def check_server(row, folder, model):
    record = json.loads((folder / "seed_2025" / "run.json").read_text(encoding="utf-8"))
    assert (record["model"], "stopped" in record) == (model, False)
    (vus,) = rows_of(folder / "seed_2025" / "_vus.csv")
    assert [row["VUS_ROC"], row["VUS_PR"]] == [f"{float(vus[measure]):.3f}" for measure in ("VUS_ROC", "VUS_PR")]
    kind = "spot" if record["config"]["evaluation"]["anomaly_ratio"] is None else "prior_anomaly_rate"
    thresholds = rows_of(folder / "seed_2025" / f"_{kind}_thres_info.csv")
    (threshold,) = (one["threshold"] for one in thresholds if float(one["hyper-parameter"]) == 0.01)
    affiliation = {one["Affiliation_thre"]: one for one in rows_of(folder / "seed_2025" / "_affiliation.csv")}
    assert row["affiliation F1"] == f"{float(affiliation[threshold]['Affiliation_F1']):.3f}"
    rates = folder / "seed_2025" / "_hit_rate.csv"
    found = {one["level"]: f"{float(one['hit_rate']):.3f}" for one in rows_of(rates)} if rates.is_file() else {}
    assert [row["hit rate 100 %"], row["hit rate 150 %"]] == [found.get("100", ""), found.get("150", "")]
    return record


@pytest.mark.parametrize("row", TABLES["dataset", "detector"], ids=lambda row: f"{row['dataset']} {row['seed']}")
def test_published_settings_with_few_epochs(row):
    folder = RESULTS / row["detector"] / row["dataset"] / f"seed_{row['seed']}"
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (record["model"], "stopped" in record) == (row["detector"], False)
    assert int(row["epochs"]) == len(record["epochs"]) == record["config"]["train"]["train_epochs"]
    (vus,) = rows_of(folder / "_vus.csv")
    assert [row["VUS_ROC"], row["VUS_PR"]] == [f"{float(vus[measure]):.3f}" for measure in ("VUS_ROC", "VUS_PR")]


@pytest.mark.parametrize("row", TABLES["mean over", "model"], ids=lambda row: f"{row['mean over']} {row['model']}")
def test_means_over_servers(row):
    check_means(row, row["mean over"], "model")


def check_means(row, dataset, key):
    begins = {"ASD": "omi", "SMD": "machine"}[dataset]
    rows = [one for one in TABLES["server", key] if one["server"].startswith(begins) and one[key] == row[key]]
    assert row["servers"] == str(len(rows))
    assert {one.get("epochs") for one in rows} == {row.get("epochs")}
    for measure in ("VUS_ROC", "VUS_PR", "affiliation F1"):
        assert float(row[measure]) == pytest.approx(statistics.mean(float(one[measure]) for one in rows), abs=0.001)


def test_compiled_networks():
    found = {(row["config"], row["what"], row["precision"], row["compiled"]): row for row in rows_of(COMPILED)}
    rows = TABLES["network", "what"]
    assert len(rows) == sum(row["compiled"] == "True" for row in found.values())
    for row in rows:
        key = (row["network"], row["what"], row["precision"])
        plain, compiled = (float(found[(*key, state)]["seconds"]) for state in ("False", "True"))
        assert [row["as it is"], row["compiled"]] == [f"{1e3 * plain:.2f}", f"{1e3 * compiled:.2f}"]
        assert row["times as fast"] == f"{plain / compiled:.2f}"
