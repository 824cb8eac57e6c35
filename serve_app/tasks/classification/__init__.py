"""Text classification and moderation as entrances see them: fields, answers."""
