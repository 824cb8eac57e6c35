"""The job contracts: one module each. A new one is its module and its line here."""
