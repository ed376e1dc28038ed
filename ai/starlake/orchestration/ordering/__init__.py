"""Order of tasks and groups: their links, and the run conditions over outcomes of pre-load checks."""
