"""Graph to Graph: one pass a file, pipelines by name."""
