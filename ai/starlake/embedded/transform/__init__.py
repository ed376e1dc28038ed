"""Run tasks: their SQL or Python code, the tables that it reads, and what is wrong with it."""
