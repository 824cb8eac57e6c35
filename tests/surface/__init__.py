"""What users see of the whole project, saved."""
