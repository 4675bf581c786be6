import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import main
from cli.stopped import Stopped
from spikec.errors import DataError, TraceError


def spikec(*args):
    return CliRunner().invoke(main.spikec, args)


@pytest.fixture
def failing(monkeypatch):
    """Puts a command `fail` into the table that raises what it is given."""

    def put(error):
        @click.command()
        @click.option("--count", type=int)
        def fail(count):
            raise error

        monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
        monkeypatch.setitem(main.COMMANDS, "fail", main.Entry(__name__, "fail", "Fails."))

    # import_module finds this file by the name that pytest gave it
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    return put


def one_paragraph(text):
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    return text.removeprefix("error: ").strip()


def test_help_lists_every_command_with_its_line():
    result = spikec("--help")
    assert result.exit_code == 0
    for name, entry in main.COMMANDS.items():
        assert f"{name} " in result.stdout
        assert entry.help in result.stdout


@pytest.mark.parametrize("name", main.COMMANDS)
def test_a_command_of_the_table_is_there_and_explains_itself(name):
    result = spikec(name, "--help")
    assert result.exit_code == 0, result.stderr
    assert f"Usage: spikec {name}" in result.stdout


def test_no_command_prints_the_help_and_is_wrong_usage():
    result = spikec()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_an_unknown_command_offers_the_nearest():
    result = spikec("exprot")
    assert result.exit_code == 2
    assert result.stdout == ""
    text = one_paragraph(result.stderr)
    assert text.startswith("unknown command 'exprot'")
    assert text.endswith("Try: export")


@pytest.mark.parametrize("args", [("--foo",), ("fail", "--foo"), ("fail", "--count", "many")])
def test_wrong_usage_is_one_paragraph_that_names_the_help(failing, args):
    failing(None)
    result = spikec(*args)
    assert result.exit_code == 2
    assert one_paragraph(result.stderr).endswith(f"Try: {' '.join(['spikec', *args[:-1]][:2])} --help")


@pytest.mark.parametrize(("error", "code"), [(DataError("no sample"), 2), (TraceError("a loop"), 1)])
def test_our_errors_are_one_paragraph_and_their_own_code(failing, error, code):
    failing(error)
    result = spikec("fail")
    assert result.exit_code == code
    assert one_paragraph(result.stderr) == str(error)


def test_our_own_fault_is_3_and_its_traceback_is_in_a_file(failing, tmp_path, monkeypatch):
    monkeypatch.setattr(main.tempfile, "tempdir", str(tmp_path))
    failing(ZeroDivisionError("by\nzero"))
    result = spikec("fail", "--count", "3")
    assert result.exit_code == 3
    text = one_paragraph(result.stderr)
    assert "our own fault" in text
    assert "ZeroDivisionError: by zero" in text
    assert text.endswith("spikec fail --count 3")
    (file,) = tmp_path.iterdir()
    assert str(file) in text
    assert "raise error" in file.read_text()
    assert "Traceback" not in text


def test_a_traceback_that_cannot_be_written_is_said(failing, tmp_path, monkeypatch):
    monkeypatch.setattr(main.tempfile, "tempdir", str(tmp_path / "absent"))
    failing(ZeroDivisionError("by zero"))
    result = spikec("fail")
    assert result.exit_code == 3
    assert "could not be written" in one_paragraph(result.stderr)


def test_an_interruption_is_130_and_no_traceback(failing):
    failing(KeyboardInterrupt())
    result = spikec("fail")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted"


def test_an_interruption_that_says_how_to_go_on_says_nothing_else(failing):
    failing(Stopped("stopped; epoch 3 of 9 is kept"))
    result = spikec("fail")
    assert result.exit_code == 130
    assert result.stderr == "\nstopped; epoch 3 of 9 is kept\n"


def test_every_exit_code_is_in_the_help_and_the_readme():
    codes = (0, 1, 2, main.OWN_FAULT, main.INTERRUPTED, main.READER_GONE)
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for text in (spikec("--help").stdout, readme):
        listed = " ".join(text[text.index("Exit codes:") :].split())
        assert [int(code) for code in re.findall(r"\b(\d+) \w", listed)][:6] == list(codes)


def test_what_a_command_returns_is_no_exit_code(failing, monkeypatch):
    failing(None)
    monkeypatch.setattr(sys.modules[__name__], "fail", click.Command("fail", callback=lambda: 1))
    assert spikec("fail").exit_code == 0


def test_the_exit_code_of_ctx_exit_is_kept(failing):
    failing(click.exceptions.Exit(1))
    assert spikec("fail").exit_code == 1


CHILD = """
import click
from cli import main
@click.command()
def child():
{body}
import sys
sys.modules["child"] = type(sys)("child")
sys.modules["child"].child = child
main.COMMANDS["child"] = main.Entry("child", "child", "")
sys.argv = ["spikec", "child"]
main.main()
"""


def child(body, **options):
    code = CHILD.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": env, **options}
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_went_away_is_silent(lines):
    read, write = os.pipe()
    os.close(read)
    process = child(f"for i in range({lines}): print('row', i)", stdout=write)
    os.close(write)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 141
    assert stderr == ""


def test_control_c_is_130_and_one_word(tmp_path):
    ready = tmp_path / "ready"
    # A job in the background of a shell without job control hears no Ctrl-C, nor do its children unless they ask to.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = child(f"{heard}import pathlib, time\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)")
    deadline = time.monotonic() + 30
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.split() == ["interrupted"]


def test_the_console_script_is_installed_beside_the_interpreter():
    script = Path(sys.executable).with_name("spikec")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("spikec, version ")
