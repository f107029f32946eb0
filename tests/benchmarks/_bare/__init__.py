"""The peer of the list benchmark: a plain view beside the product's own, in the same server."""
