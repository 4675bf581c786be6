"""Lava: a folder that runs in lava-nc's runtime with numpy alone, and what finds, runs and reads it back."""
