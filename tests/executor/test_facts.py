from __future__ import annotations

from ai.starlake.executor.project_facts import FactsOfRun


def made_by(reads):
    """Return the facts that each of some reads gets, as the number of the making that they come from."""
    made = []

    def factory(root, environment):
        made.append(root)
        return len(made)

    facts = FactsOfRun(factory)
    return [facts.read(run, root, environment, again=again) for run, root, environment, again in reads]


def test_the_commands_of_a_run_share_the_facts_of_their_project():
    first, second = {"SL_ENV": "dev", "SL_JOB_ID": "run.a"}, {"SL_ENV": "dev", "SL_JOB_ID": "run.b"}
    assert made_by([("run", "/p", first, False), ("run", "/p", second, False)]) == [1, 1]


def test_another_run_project_or_environment_is_read_for_itself():
    known = ("run", "/p", {"SL_ENV": "dev"}, False)
    others = [("later", *known[1:]), ("run", "/q", *known[2:]), ("run", "/p", {"SL_ENV": "prod"}, False)]
    for other in others:
        assert made_by([known, other]) == [1, 2]


def test_a_repeated_attempt_reads_again_and_later_commands_profit():
    reads = [("run", "/p", {}, False), ("run", "/p", {}, True), ("run", "/p", {}, False)]
    assert made_by(reads) == [1, 2, 2]
