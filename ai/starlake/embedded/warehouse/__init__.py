"""Write rows to tables: databases, write strategies, schema evolution, expectations and the audit."""
