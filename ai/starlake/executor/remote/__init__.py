"""Run commands elsewhere: one life cycle for every service, and a backend for each."""
