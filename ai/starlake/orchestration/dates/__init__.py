"""The dates of a run: where they come from, how they are tagged, and what commands are told of them."""
