"""Run processes of this machine, and leave none of them behind."""
