"""Writers: each turns a legal Graph into a target's files, and verifies them by running them."""
