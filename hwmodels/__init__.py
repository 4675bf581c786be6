"""What the chips cost: their numbers as TOML, the rules that count, and the models that price."""
