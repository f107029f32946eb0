"""healthd: the small process that answers probes from a file, so that a hanging database hangs no probe."""
