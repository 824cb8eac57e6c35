"""Classification of texts: tweet normaliser, encoders with a head, batches of texts of like length, deployment."""
