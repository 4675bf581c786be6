"""The processes and their models, apart: compiling executes every file that lies beside a process."""
