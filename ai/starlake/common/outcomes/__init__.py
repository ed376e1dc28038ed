"""What becomes of the tables and tasks of a command."""
