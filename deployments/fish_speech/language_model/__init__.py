"""The language model of both versions: network, batches, sampling, scheduler."""
