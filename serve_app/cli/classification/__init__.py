"""What ``antiphon classify`` is made of: texts, the two ways to their scores, results in order."""
