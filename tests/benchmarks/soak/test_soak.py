"""The trials of `make soak`: a few attempts of each, and the page that is made of what they find."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.soak.catalog import TRIALS
from benchmarks.soak.page import PAGE, page
from benchmarks.soak.results import Result, all_results, measured
from benchmarks.soak.trial import DOUBLED, KINDS, LOST, RED, Bench, Tally, Trial
from benchmarks.soak.trials.runs_at_once import State, compare


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SL_DAGSTER_CACHE", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIALS)
def test_a_few_attempts_find_nothing(name, tmp_path):
    result = measured(name, TRIALS[name], TRIALS[name].few, patience=5, place=tmp_path)
    assert (result.error, result.tally.defects) == ("", [])
    assert result.tally.tried >= 1
    assert result.clean


def trial(run):
    return Trial("A trial", "How it is done.", 3, 1, 60, run)


def numbers(bench: Bench) -> None:
    for number in bench.numbers():
        bench.tally.require(number != 1, LOST, "the second one")
        bench.tally.most("longest", number)


def fails(bench: Bench) -> None:
    next(bench.numbers())
    pytest.fail("out of order")


def test_attempts_and_defects_are_counted():
    result = measured("one", trial(numbers), 3)
    assert (result.tally.tried, result.tally.found[LOST], result.tally.facts) == (3, 1, {"longest": 2})
    assert result.tally.defects == ["lost: the second one"]
    assert not result.clean


def test_a_trial_that_breaks_off_is_not_clean():
    result = measured("one", trial(fails), 3)
    assert (result.tally.tried, "out of order" in result.error, result.clean) == (1, True, False)
    assert "It ended early" in page({"one": result}, {"one": trial(fails)})


def test_no_attempt_begins_after_the_time_is_over(tmp_path):
    assert list(Bench(tmp_path, 5, 0).numbers()) == []
    assert list(Bench(tmp_path, 5, 0).batches(2)) == []


def test_a_result_is_read_as_it_was_written(tmp_path):
    result = measured("one", trial(numbers), 3)
    result.save(tmp_path)
    assert all_results(tmp_path) == {"one": result}


def test_the_page_shows_what_was_measured():
    result = measured("one", trial(numbers), 1)
    text = page({"one": result}, {"one": trial(numbers)})
    assert "| [A trial](#a-trial) | 1 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "`make soak` makes 3 attempts; these were 1." in text
    worse = replace(result, tally=Tally(1, dict.fromkeys(KINDS, 2), ["lost: a row"]))
    text = page({"one": worse}, {"one": trial(numbers)})
    assert "| 1 | 2 | 2 | 2 | 2 | 2 |" in text
    assert "- **lost: a row**" in text


def test_the_page_of_the_repository_is_made_of_its_results():
    results = all_results()
    assert PAGE.read_text("utf-8") == page(results, TRIALS), "run: python -m benchmarks.soak --page-only"
    assert set(results) == set(TRIALS)
    assert all(isinstance(result, Result) for result in results.values())


def test_rows_and_files_are_compared():
    tally = Tally()
    rows = Counter({("t", (1,)): 1, ("t", (2,)): 1})
    wanted = State(rows, Counter(), [], [], ["a.csv"])
    compare("it", wanted, State(rows - Counter({("t", (2,)): 1}), Counter({("t",): 1}), ["a.csv"], [], []), tally)
    assert tally.found == {**dict.fromkeys(KINDS, 0), LOST: 2, DOUBLED: 1, "leaked": 1}
    assert tally.found[RED] == 0
