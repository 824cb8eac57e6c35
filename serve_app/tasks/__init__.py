"""What a task means to every entrance: its fields, their parser, the formats of its answers."""
