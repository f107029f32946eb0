"""A bad plugin: its form has two fields of one name, a choice without choices and a secret with a default."""
