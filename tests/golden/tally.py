"""Prints how many cases of the golden corpus pass, fail and are not supported yet, by group.

python tests/golden/tally.py
"""

from __future__ import annotations

from collections import Counter

import replay
from corpus import folders, judge, not_yet


def main() -> int:
    """Run all cases; return 1 when one fails that is not listed in not_yet.txt."""
    expected = not_yet()
    counts: Counter[tuple[str, str]] = Counter()
    for folder in folders():
        status, detail = judge(folder)
        outcome = "not yet" if status == "FAIL" and folder.name in expected else status.lower()
        counts[replay.read_case(folder)["group"], outcome] += 1
        if outcome == "fail":
            print(f"{folder.name}: {detail}")
    outcomes = ("pass", "fail", "not yet")
    print(f"{'group':22}" + "".join(f"{outcome:>9}" for outcome in outcomes))
    for group in sorted({group for group, _ in counts}):
        print(f"{group:22}" + "".join(f"{counts[group, outcome]:9}" for outcome in outcomes))
    print(f"{'all':22}" + "".join(f"{sum(counts[g, o] for g, o in counts if o == outcome):9}" for outcome in outcomes))
    return 1 if any(counts[group, "fail"] for group, _ in list(counts)) else 0


if __name__ == "__main__":
    raise SystemExit(main())
