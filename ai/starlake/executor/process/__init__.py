"""Run processes on this machine, and leave none of them behind."""
