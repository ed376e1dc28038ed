"""Long trials of what must never happen: rows lost or doubled, something left behind, a run of the wrong color."""
