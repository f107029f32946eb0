"""`make security`: what tools say about the code, its secrets and its components; every finding is mended or reviewed."""
