"""How the console and forms write dates: as the rest of the portal does."""
