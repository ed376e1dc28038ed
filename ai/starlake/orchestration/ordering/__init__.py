"""The order of tasks and groups: what each waits for, and under which outcomes of pre-load checks it runs."""
