"""The contract of ivrit's worker."""
