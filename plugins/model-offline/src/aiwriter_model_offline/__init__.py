"""AI-Writer's embedded backend: the Composer and a local embedder."""
