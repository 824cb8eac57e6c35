"""The sample classifier: a tiny model for tweets, trained on sentences that we made up."""
