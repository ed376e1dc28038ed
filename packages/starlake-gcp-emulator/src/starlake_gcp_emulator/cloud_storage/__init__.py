"""Cloud Storage, with conditions on generations."""
