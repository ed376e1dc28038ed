"""Numbers of examples for property tests whose examples are costly.

An example that loads a file takes 50 ms of the processor and more, most of it to start DuckDB, and next to nothing for
each row. So such a test has few examples with many rows each: the rows of a file do not depend on each other.
"""

from __future__ import annotations

from hypothesis import settings

few_loads = settings(max_examples=10)
"""Each example has many rows."""
some_loads = settings(max_examples=25)
"""Each example can show one thing only, as a file that is refused as a whole."""
some_merges = settings(max_examples=50)
"""Each example merges rows in memory; tests of the same strategies on files and tasks have examples of their own."""
