"""The protocols, each beside the code that `make protos` generates from it."""
