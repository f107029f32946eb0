"""Files in an S3 bucket."""
