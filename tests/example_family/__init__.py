"""The family that ``docs/architecture.md`` adds, echo: its models say the text of their folder."""
