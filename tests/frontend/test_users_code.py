"""Whatever a user's own code raises is refused as theirs, with its class and line; nothing of it is a fault of ours."""

import pickle
import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from spikec.errors import InputError, SpikecError, TraceError, UsageError
from spikec.frontend.tracer import trace
from spikec.frontend.users_code import users_code
from spikec.ir.neurons import IF, LIF
from spikec.tasks.tracing import Foreign, made


class Odd(Exception):
    """Derived from Exception alone."""


def leaves(m, x):
    if x.shape[1] > 2:
        raise SystemExit(0)  # <-
    return m.fc(x)


def leaves_at_once(m, x):
    raise SystemExit(0)  # <-


def raises(m, x):
    raise Odd("of its own")  # <-


def raises_without_a_word(m, x):
    raise pickle.UnpicklingError  # <-


def raises_on_far_samples(m, x):
    if x.dtype == torch.float64 and x.shape[1] == 4:
        raise Odd("in the replay")  # <-
    return m.fc(x)


FORWARDS = {
    leaves: "raised SystemExit: 0",
    leaves_at_once: "raised SystemExit: 0",
    raises: "raised Odd: of its own",
    raises_without_a_word: "raised UnpicklingError",
    raises_on_far_samples: "raised Odd: in the replay",
}


@pytest.mark.parametrize("forward", FORWARDS, ids=lambda f: f.__name__)
def test_a_forward_that_raises_is_refused_with_its_line(net, forward, refused):
    refused(net(forward), forward, FORWARDS[forward])


def test_a_network_that_calls_itself(net):
    with pytest.raises(TraceError, match=r"(test_users_code|conftest)\.py:\d+: .*raised RecursionError"):
        trace(net(lambda m, x: m(x)), (4,), layout="TBX", steps=2)


class Cell(nn.Module):
    """A neuron of one step a call; what its methods do is put in by the tests."""

    def forward(self, x):
        return torch.cumsum(x, 0) >= 1e9

    def spikec_neuron(self):
        return IF(), {"v_threshold": 1e9}


def raising(*args):
    raise Odd("by the user's own hand")


def cell(**methods):
    return nn.Sequential(nn.Linear(4, 4), type("Cell", (Cell,), methods)()).eval()


@pytest.mark.parametrize("method", ["reset", "spikec_neuron", "__deepcopy__"])
def test_a_neuron_whose_methods_raise(method):
    with pytest.raises(TraceError, match=r"test_users_code\.py:\d+: raise Odd.*raised Odd: by the user's own hand"):
        trace(cell(**{method: raising}), (4,), layout="TBX", steps=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave a NoneType; expected an op of spikec.ir.neurons"),
        ((IF(), {}, 3), "gave a tuple; expected"),
        ((IF, {"v_threshold": 1.0}), "gave the class IF as its op"),
        (("if", {"v_threshold": 1.0}), "gave a str as its op"),
        ((IF(), [1.0]), "gave a list as its weights"),
        ((IF(), {"v_threshold": "high"}), "gave a str as weight 'v_threshold'; expected a number or a tensor"),
        ((IF(), {"v_theshold": 1.0}), "weight slots missing ['v_threshold'], unknown ['v_theshold']"),
        ((LIF(), {"v_threshold": 1.0}), "expected one of ['tau', 'beta']"),
    ],
)
def test_a_neuron_that_says_what_the_protocol_has_not(given, said):
    with pytest.raises(TraceError) as error:
        trace(cell(spikec_neuron=lambda m: given), (4,), layout="TBX", steps=2)
    assert said in str(error.value)
    assert "module '1'" in str(error.value)


@pytest.mark.parametrize("states", ["v", (1,)])
def test_states_that_are_no_names(states):
    with pytest.raises(TraceError, match="its spikec_states is"):
        trace(cell(spikec_states=states), (4,), layout="TBX", steps=2)


def holds_itself(m, x):
    results = [m.fc(x)]
    results.append(results)
    return results


def holds_itself_by_name(m, x):
    results = {"y": m.fc(x)}
    results["again"] = results
    return results


@pytest.mark.parametrize("forward", [holds_itself, holds_itself_by_name])
def test_outputs_that_hold_themselves(net, forward):
    with pytest.raises(TraceError, match=r"that holds itself|which is no tensor"):
        trace(net(forward), (4,), layout="TBX", steps=2)


class WithoutReturn(nn.Linear):
    """Overrides train() as users do who forget its result."""

    def train(self, mode=True):
        super().train(mode)


class Endless(nn.Linear):
    """Lists itself among its children."""

    def __init__(self):
        super().__init__(4, 4)
        self.own = self


def factories():
    """A module of factories, as --arch finds it."""
    found = ModuleType("users_factories")
    found.without_return = lambda: WithoutReturn(4, 4)
    found.endless = Endless
    found.odd = raising
    found.unpickles = lambda: pickle.loads(b"no pickle")
    return found


@pytest.fixture
def foreign(monkeypatch):
    monkeypatch.setitem(sys.modules, "users_factories", factories())
    return lambda factory: Foreign(f"users_factories:{factory}", (4,), "TBX", 2)


def test_a_train_that_gives_nothing_back_is_no_fault(foreign):
    assert isinstance(made(foreign("without_return")), nn.Linear)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("odd", "raised Odd: by the user's own hand"),
        ("unpickles", "raised UnpicklingError"),
        ("endless", "raised RecursionError"),
    ],
)
def test_factories_that_raise_anything(foreign, factory, said):
    with pytest.raises(InputError, match=said) as error:
        made(foreign(factory))
    assert error.value.where


class Mute(Exception):
    """One whose text cannot be made."""

    def __str__(self):
        raise Odd("twice")


class Bare(BaseException):
    """Derived from BaseException alone."""


@pytest.mark.parametrize("kind", [Mute, Bare, GeneratorExit, SystemExit])
def test_any_class_is_said_as_theirs(net, kind):
    def forward(m, x):
        raise kind

    with pytest.raises(TraceError, match=f"raised {kind.__name__}"):
        trace(net(forward), (4,), layout="TBX", steps=2)


def test_outputs_nested_deeper_than_python_follows(net):
    def forward(m, x):
        y = m.fc(x)
        for _ in range(3000):
            y = (y,)
        return y

    with pytest.raises(TraceError, match="what the network gives raised RecursionError"):
        trace(net(forward), (4,), layout="TBX", steps=2)


def test_a_neuron_whose_saying_is_a_property_that_raises():
    with pytest.raises(TraceError, match="raised Odd: by the user's own hand"):
        trace(cell(spikec_neuron=property(raising)), (4,), layout="TBX", steps=2)


@pytest.mark.parametrize(
    "given",
    [
        {"shape": (-1,)},
        {"shape": (4.0,)},
        {"shape": ("4",)},
        {"shape": (10**12,)},
        {"layout": "XYZ"},
        {"steps": 0},
        {"steps": 10**9},
    ],
)
def test_what_no_network_can_be_recorded_on(given):
    with pytest.raises(UsageError):
        trace(nn.Linear(4, 4).eval(), **{"shape": (4,), "layout": "TBX", "steps": 2, **given})


def test_ctrl_c_and_errors_of_spikec_go_through():
    for kind in (KeyboardInterrupt, InputError):
        with pytest.raises(kind, match="as it is"), users_code(TraceError, "the network"):
            raise kind("as it is")
    with pytest.raises(SpikecError) as error, users_code(TraceError, "the network", "here", "another way"):
        raise Odd("why")
    assert str(error.value).endswith("the network raised Odd: why. Try: another way")
    assert isinstance(error.value.__cause__, Odd)
