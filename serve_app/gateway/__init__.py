"""The one way to a replica: a file per task, the index of models, the common base."""
