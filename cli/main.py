"""The `spikec` command: its table of subcommands, and the one place where errors become text and exit codes.

A subcommand's module is imported when it is invoked or its own help is asked; `spikec --help` is printed
from the table alone. Exit codes are those of `spikec.errors`, and besides: 3 our own fault, 130 interrupted,
141 the reader of our output went away.
"""

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NamedTuple

import click

from spikec import __version__
from spikec.errors import SpikecError, UnknownName

OWN_FAULT = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
READER_GONE = 141  # 128 + SIGPIPE


class Entry(NamedTuple):
    """Where a subcommand lives, and its line in `spikec --help`."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Entry] = {
    "search": Entry("cli.search", "search", "Search a space for subnets that spend little energy."),
    "estimate": Entry("cli.estimate", "estimate", "Energy and counts of each layer of a model."),
    "compare": Entry("cli.compare", "compare", "What differs between two estimates."),
    "export": Entry("cli.export", "export", "Write a model as a target's files."),
    "verify": Entry("cli.verify", "verify", "Run an export and compare it with its graph, spike for spike."),
    "new": Entry("cli.new", "new", "Make a reference network, untrained, by its published name."),
    "trace": Entry("cli.trace", "trace", "Take a network of your own as a model: PyTorch code or a file."),
    "show": Entry("cli.show", "show", "Show a model's graph."),
    "train": Entry("cli.train", "train", "Train or fine-tune one network."),
    "study": Entry("cli.study", "study", "Show, plot and report a search."),
    "space": Entry("cli.space", "space", "List, show, check, count and sample search spaces."),
    "hw": Entry("cli.hw", "hw", "List, show and check hardware files, or fit one to measured runs."),
    "target": Entry("cli.target", "target", "List the targets of export."),
    "doctor": Entry("cli.doctor", "doctor", "Check this installation, and install Lava beside it."),
}


class CommandTable(click.Group):
    """A group whose subcommands are imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command), f"{entry.module}.{entry.attribute} is no click command"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise UnknownName(name, "command", COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with reader_may_go():  # --help and --version print while the context is made
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> None:
        # What a command returns is for callers in Python; only ctx.exit gives an exit code.
        with reader_may_go():
            super().invoke(ctx)

    # Any and the ignore: click overloads main for its two modes; here the standalone one is ours.
    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **rest: Any
    ) -> Any:
        """Runs the command line; standalone, as from a shell, ends in SystemExit with the exit code."""
        call = super().main
        if not standalone_mode:
            return call(args, standalone_mode=False, **rest)
        words = list(sys.argv[1:] if args is None else args)
        sys.exit(exit_code_of(lambda: call(args, standalone_mode=False, **rest), words))


@click.group(cls=CommandTable, name="spikec", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spikec")
def spikec() -> None:
    """Search for spiking transformers, see what they cost on a chip, and export them.

    Data goes to stdout, words and progress to stderr. Exit codes: 0 good; 1 the answer is no; 2 wrong usage
    or unreadable input; 3 our own fault; 130 interrupted (Ctrl-C); 141 the reader of stdout went away.
    """


def main() -> None:
    """The console script."""
    spikec(prog_name="spikec")


def exit_code_of(call: Callable[[], Any], words: Sequence[str]) -> int:
    """Runs `call`, says on stderr what went wrong in one paragraph, and gives the exit code.

    Args:
        call: a click command in non-standalone mode; what it returns is the code of ctx.exit, if any.
        words: the command line after `spikec`, for the report of our own fault.
    """
    try:
        code = call()
        sys.stdout.flush()  # a reader that has gone shows here at the latest, not at the interpreter's end
    except SpikecError as error:
        return say(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return say(click_message(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click has ended the line of ^C before it raises an Abort of its own
        click.echo(f"\n{error}" if str(error) else "interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        return reader_gone()
    except Exception as error:  # noqa: BLE001  the one place: docs/decisions/0002-own-fault.md
        return say(own_fault(error, words), OWN_FAULT)
    return code if isinstance(code, int) else 0


def say(message: str, code: int) -> int:
    """Prints the error on stderr and gives the code back."""
    click.echo(f"error: {message}", err=True)
    return code


def click_message(error: click.ClickException) -> str:
    """Click's message as one paragraph that names the help to read."""
    message = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return message
    return f"{message.rstrip('.')}. Try: {context.command_path} --help"


def own_fault(error: Exception, words: Sequence[str]) -> str:
    """A paragraph that takes the blame; the traceback goes to a file that it names."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    command = shlex.join(["spikec", *words])
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="spikec-", suffix=".traceback.txt", encoding="utf-8", delete=False
        ) as file:
            file.write(f"spikec {__version__}, Python {sys.version}\n{command}\n\n")
            file.writelines(traceback.format_exception(error))
        trace = f"the traceback is in {file.name}"
    except OSError as failed:
        trace = f"the traceback could not be written ({failed})"
    return (
        f"this is our own fault, not yours: {what}; {trace}. Please report it with the command that you ran: {command}"
    )


@contextmanager
def reader_may_go() -> Iterator[None]:
    """Ends with our own code where the reader of stdout went away; click would say 1, which is 'no' here."""
    try:
        yield
    except BrokenPipeError:
        raise click.exceptions.Exit(reader_gone()) from None


def reader_gone() -> int:
    """Silences stdout, so that nothing complains when the interpreter flushes it at its end."""
    with suppress(OSError, ValueError):  # a stdout that is no open file has nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


if __name__ == "__main__":
    main()
