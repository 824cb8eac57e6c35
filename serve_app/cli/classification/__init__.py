"""What ``antiphon classify`` is made of: texts, their scores from a server or a model here, results."""
