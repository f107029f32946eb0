"""Models of OpenAI and of every server that speaks its wire format."""
