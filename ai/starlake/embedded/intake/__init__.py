"""Reading files into rows: assignment to tables, formats, accepted and rejected rows."""
