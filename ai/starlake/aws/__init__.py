"""Amazon Web Services: secrets of Secrets Manager."""
