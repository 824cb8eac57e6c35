"""The contract of jobs that speak: inputs of fish-speech's API."""
