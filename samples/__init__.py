"""The small models this project ships, and the recipes that trained them."""
