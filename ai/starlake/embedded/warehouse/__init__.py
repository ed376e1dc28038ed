"""Write rows into tables: databases, write strategies, schema evolution, expectations and the audit."""
