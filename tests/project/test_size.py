"""A project of two thousand tables: whole in seconds, one table at once."""

import time

import pytest

from ai.starlake.project import ProjectError

DOMAINS, TABLES = 20, 100


@pytest.fixture
def big(files):
    attributes = "".join(
        f"    - {{name: c{n}, type: {kind}}}\n" for n, kind in enumerate(["int", "string", "date"] * 4)
    )
    for domain in range(DOMAINS):
        for table in range(TABLES):
            files.write(
                f"load/d{domain}/t{table}.sl.yml",
                f"version: 1\ntable:\n  name: t{table}\n  pattern: t{table}-.*\n  attributes:\n{attributes}",
            )
    return files


def test_all_tables_are_read_in_seconds(big):
    started = time.process_time()
    domains = big.read().domains
    assert time.process_time() - started < 20  # about one on an idle machine
    assert sum(len(domain.tables) for domain in domains) == DOMAINS * TABLES


def test_one_table_does_not_need_the_others(big):
    for domain in range(1, DOMAINS):
        big.write(f"load/d{domain}/t1.sl.yml", "no: [yaml")
    project = big.read()
    assert project.table("d0", "t7").full_name == "d0.t7"
    with pytest.raises(ProjectError) as caught:
        _ = project.domains
    assert len(caught.value.findings) == DOMAINS - 1
