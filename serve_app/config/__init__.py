"""Typed settings: of the application, of models (an entry per family), of tasks (a row each), of jobs."""
