from io import StringIO

import pytest

from spikec.report.progress import progress


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(clock, stream, states, total=160):
    with progress("search", total, "trials", stream=stream, every_s=5.0, clock=clock) as advance:
        for seconds, done, note in states:
            clock.now = 100.0 + seconds
            advance(done, note)


def test_without_a_terminal_a_line_every_few_seconds_and_the_last_state():
    stream = StringIO()
    run(Clock(), stream, [(1, 10, "a"), (2, 20, "b"), (6, 60, "best 97.5 % at 12.3 nJ"), (7, 70, "d"), (9, 160, "e")])
    assert stream.getvalue() == (
        "search: 60/160 trials, 6 s, about 10 s left; best 97.5 % at 12.3 nJ\nsearch: 160/160 trials, 9 s; e\n"
    )


def test_what_was_done_before_it_was_resumed_is_not_its_pace():
    stream = StringIO()
    run(Clock(), stream, [(1, 101, ""), (6, 106, "")])
    assert stream.getvalue() == "search: 106/160 trials, 6 s, about 54 s left\n"


def test_an_interrupted_task_leaves_its_last_state():
    stream = StringIO()

    def interrupted():
        with progress("search", 160, "trials", stream=stream) as advance:
            advance(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "search: 3/160 trials, 0 s\n"


def test_an_unknown_total_and_minutes():
    stream = StringIO()
    run(Clock(), stream, [(130, 7, "")], total=0)
    assert stream.getvalue() == "search: 7 trials, 2 min 10 s\n"


def test_nothing_told_prints_nothing():
    stream = StringIO()
    run(Clock(), stream, [])
    assert stream.getvalue() == ""


def test_no_colour_and_no_control_without_a_terminal(monkeypatch, capsys):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with progress("train", 3, "epochs") as advance:
        advance(3, "loss [bold]0.1[/]")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "train: 3/3 epochs, 0 s; loss [bold]0.1[/]\n"


def test_a_terminal_gets_a_live_line(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = StringIO()
    with progress("search", 160, "trials", stream=stream) as advance:
        advance(160, "best [97.5 %]")
    assert "160/160" in stream.getvalue()
    assert "best [97.5 %]" in stream.getvalue()


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    stream = StringIO()
    with progress("search", 160, "trials", stream=stream) as advance:
        advance(160)
    assert stream.getvalue() == "search: 160/160 trials, 0 s\n"
