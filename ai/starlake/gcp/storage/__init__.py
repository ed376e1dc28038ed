"""Files in Google Cloud Storage."""
