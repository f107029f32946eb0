"""What plugin authors test with: a scripted server, a plain client, and the conformance suite as a pytest plugin."""
