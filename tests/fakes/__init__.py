"""Stand-ins for the services outside, real over the wire: started by a test, driven by it, and asked afterwards."""
