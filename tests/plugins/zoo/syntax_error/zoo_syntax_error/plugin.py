"""Not Python."""

descriptor = Descriptor(key="zoo-syntax-error"
