"""Read files into rows: which file belongs to which table, how it is read, what is kept and what is rejected."""
