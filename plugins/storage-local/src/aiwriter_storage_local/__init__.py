"""Files in a folder of the server."""
