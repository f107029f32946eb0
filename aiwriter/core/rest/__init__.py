"""The ground that every REST endpoint stands on: one error shape, one page shape, one renderer, one schema."""
