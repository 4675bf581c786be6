"""The command line: one command a file, thin over spikec.tasks."""
