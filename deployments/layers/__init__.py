"""Network layers that more than one family or version is made of, and the reader of their checkpoints."""
