"""Texts that people read: slips of English that have occurred in this project, each with a better wording.

The texts are the docstrings, comments and strings of Python files, the comments of YAML, TOML and shell files, and all
of Markdown, HTML, JavaScript, CSS and requirements files.
"""

import ast
import io
import re
import subprocess
import tokenize

import pytest

from tests.support.paths import REPOSITORY

# A pattern, in any case and across line ends; what to write instead; and a text with the slip.
SLIPS = [
    # "no" for "not a", and other negations
    (
        r"(?<!there )\b(is|are|was) no (?!(longer|more|less|better|later|earlier|fewer|larger|smaller|such)\b)\w",
        "is not a",
        "which is no number",
    ),
    (r"\b(is|are) none of (?!these|those|them)", "is not one of", "it is none of the models"),
    (r"\bwithout effect\b", "has no effect", "an option without effect"),
    # values
    (r"\b(oracle|published|own|table's|summary's|mean) figures?\b", "values or results", "a published figure"),
    (r"\bin place of a figure\b|\beach its own figure\b", "value or result", "in place of a figure"),
    (r"\b(mean and|population|sample) deviations?\b", "standard deviation", "mean and deviation over the seeds"),
    (r"(?<!standard )\bdeviations? over the\b", "standard deviation", "the deviation over the seeds"),
    (r"\b(points|windows|ms|seconds|bytes|steps) a (batch|second|step|point|window)\b", "per", "points a second"),
    (r"\btrainings\b", "training runs", "several trainings"),
    (r"\bsumm(ing|ed) up of\b", "summary of", "the summing up of results"),
    (r"\bless (what|that which|the mean of)\b", "minus", "the scores less what is seasonal"),
    # places
    (r"\b(may|must|can) stand once\b", "must be unique", "each seed may stand once"),
    (r"\b(stands?|comes?) twice\b", "occurs twice", "a name stands twice"),
    (r"\bstands? (beside|first|last|together|before|after)\b", "is next to, comes first", "the newest stands first"),
    (r"\bbehind (it\b|its last|the (last|end|gap|training)|a gap)", "after", "points behind the last window"),
    (r"\bpoints? behind\b", "points after", "the points behind"),
    (r"\bthat (is|are|was|were) there\b", "existing", "the scores that are there"),
    (r"\bat hand\b", "available", "the data is not at hand"),
    (r"\bin (the )?order of time\b", "in time order", "in the order of time"),
    # again
    (r"\banew\b", "again, or a verb with re-: retrain, restart", "trained anew"),
    (r"\b(go|goes|going|gone|went) on (with|from)\b", "continue", "going on with the training"),
    (r"\b(has|have) everything imported\b", "has imported everything", "a process that has everything imported"),
    # quantities
    (r"\bso many (?!\w+ that\b)(?!that\b)", "this many", "so many points"),
    (r"\bas far as (there|they|it|these) (is|are|has|have)\b", "if there are any", "as far as there are any"),
    (r"\bthe same of\b", "those of the same", "the same of another run"),
    (r"\bof equal ones\b", "among ties, on ties", "of equal ones the lowest"),
    (r"\bwhere (a|an|one) ?\w* must be\b", "expected a", "3 files, where one must be"),
    # verbs
    (r"\bsee to (it|its|the)\b", "check", "see to the file"),
    (r"\bsee that (both|it|they|a|the)\b", "check that", "see that both are of the same series"),
    (r"\blooks? at (no|windows)\b", "does not depend on, uses windows", "a network that looks at windows"),
    (r"\bwhat (errors|messages|the log) (call|name)s?\b", "its name in errors", "what errors call the part"),
    (r"\bmend(s|ed|ing)?\b", "fix or repair", "what a user can mend"),
    (r"\bsound (zip|CSV|file|checkpoint)\b", "valid", "not a sound CSV file"),
    (r"\bdecides? otherwise\b", "override with", "--sep decides otherwise"),
    (r"\bsay --", "use --", "say --sep comma"),
    (r"\b(is|are|be|was|were) held against\b", "compared with", "what a score is held against"),
    (r"\bhands? (it|them) out\b", "provides", "as its publisher hands it out"),
    (r"\b(is|are|was|were) told\b(?! apart)", "is reported", "what was decided is told"),
    (r"(?<!that )\b(is|was) said\b", "is reported", "what was decided is said"),
    (r"\bwhat of (it|them|its|their)\b", "which of them, which part", "what of it has changed"),
    (r"\btake over the weights\b", "load the weights", "take over the weights of a checkpoint"),
    (r"\bholds? what is\b", "has a cell that is", "a column that holds what is not a number"),
    (r"\b(allow|permit|enable)s? to\b", "allows … to be, lets", "it allows to see the scores"),
    (r"\bdepends? from\b", "depends on", "it depends from the seed"),
    # order of words, and headings
    (r"\bfor so the\b", "which makes", "for so the steps are regular"),
    (r"\b(an|the) own\b", "its own", "an own folder"),
    (r"\bseries of one's own\b", "your own series", "a series of one's own"),
    (r"\bwhole or not at all\b", "atomically", "a file is written whole or not at all"),
    (r"\bDifferent is\b", "Differences", "Different is: the data"),
    (r"\bWhat was found in\b", "Detection results", "What was found in the series"),
    (r"\bNotes of the reader\b", "Data-loading notes", "Notes of the reader"),
    (r"\b(every|each|all|these|those) doors?\b", "every way to use it", "through every door"),
]
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".html", ".js", ".css", ".cff"}
NAMES = {"requirements.txt", "requirements-dev.txt", "requirements-cluster.txt", ".gitignore"}


def files():
    """Return the files with texts, of those that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = [REPOSITORY / name for name in listed.splitlines()]
    return [
        path for path in paths if (path.suffix in SUFFIXES or path.name in NAMES) and path.name != "test_english.py"
    ]


def python_texts(source):
    """Yield (line, text) of comments, those in consecutive lines as one, and of strings, adjacent ones as one."""
    comments = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text = token.string.lstrip("# ")
        if comments and token.start[0] == comments[-1][1] + 1:
            comments[-1][1:] = [token.start[0], f"{comments[-1][2]} {text}"]
        else:
            comments.append([token.start[0], token.start[0], text])
    yield from ((first, text) for first, _, text in comments)
    inside = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inside.update(map(id, node.values))
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def texts(path):
    """Yield (line, text) of a file."""
    source = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from python_texts(source)
    elif path.suffix in {".yaml", ".yml", ".toml", ".sh"}:
        yield from ((number, line.partition("#")[2]) for number, line in enumerate(source.splitlines(), 1))
    else:
        number = 1
        for paragraph in re.split(r"(\n\s*\n)", source):
            yield number, paragraph
            number += paragraph.count("\n")


def slips(text):
    """Return the slips in a text, each with what to write instead."""
    text = " ".join(text.split())
    found = []
    for pattern, better, _ in SLIPS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            found.append(f"{text[max(match.start() - 20, 0) : match.end() + 10]!r}: {better}")
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_texts(path):
    found = [f"line {line}: {slip}" for line, text in texts(path) for slip in slips(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("better", "text"), [(better, text) for _, better, text in SLIPS])
def test_slips_are_found(better, text):
    assert any(found.endswith(f": {better}") for found in slips(text))


@pytest.mark.parametrize(
    ("name", "source", "line", "slip"),
    [
        ("a.py", '"""What\n    is no\n    number."""\n', 1, "is no number"),
        ("a.py", "x = 1\n# trained\n# anew\n", 2, "trained anew"),
        ("a.py", 'x = 1\ny = f"{x} is no " "number"\n', 2, "is no number"),
        ("a.yaml", "a: 1\nb: 2 # so many points\n", 2, "so many points"),
        ("a.md", "A heading\n\nSo many\npoints.\n", 3, "So many points"),
    ],
)
def test_slips_are_found_in_files(tmp_path, name, source, line, slip):
    file = tmp_path / name
    file.write_text(source, "utf-8")
    assert [number for number, text in texts(file) if any(slip in found for found in slips(text))] == [line]
