"""A model backend for AI-Writer that talks to a server with Ollama's API."""
