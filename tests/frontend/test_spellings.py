"""Every spelling of a function is the same node: as a method, in torch and in torch.nn.functional."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

NORM = "m.norm.running_mean, m.norm.running_var, m.norm.weight, m.norm.bias"
OWN_NORM = "m.norm.weight, m.norm.bias, m.norm.running_mean, m.norm.running_var"
SPELLED = {
    f"F.batch_norm(x.flatten(0, 1), {NORM}, False, 0.1, 1e-5).reshape(x.shape)": ["batch_norm"],
    f"torch.batch_norm(x.flatten(0, 1), {OWN_NORM}, False, 0.1, 1e-5, False).reshape(x.shape)": ["batch_norm"],
    "F.layer_norm(x, (4,), m.norm.weight, m.norm.bias)": ["layer_norm"],
    "torch.layer_norm(x, (4,), m.norm.weight, m.norm.bias, 1e-5, False)": ["layer_norm"],
    "F.max_pool2d(x.flatten(0, 1), (1, 2))": ["max_pool"],
    "torch.max_pool2d(x.flatten(0, 1), (1, 2))": ["max_pool"],
    "m.fc(torch.dropout(x, 0.5, False))": ["linear"],
    "m.fc(m.drop(x))": ["linear"],
    "m.fc(m.drop2(x))": ["linear"],
    "m.fc(m.alpha(x))": ["linear"],
    "m.fc(F.alpha_dropout(x))": ["linear"],
    "m.fc(F.feature_alpha_dropout(x, 0.5, False))": ["linear"],
    "m.fc(x).subtract(x)": ["linear", "scale", "add"],
    "torch.subtract(m.fc(x), x, alpha=0.5)": ["linear", "scale", "add"],
    "m.fc(x).multiply(0.5)": ["linear", "scale"],
    "torch.multiply(m.fc(x), x)": ["linear", "mul"],
    "m.fc(x).divide(4)": ["linear", "scale"],
    "torch.divide(m.fc(x), 4)": ["linear", "scale"],
    "torch.true_divide(m.fc(x), 4)": ["linear", "scale"],
    "+m.fc(x)": ["linear"],
    "torch.positive(m.fc(x))": ["linear"],
    "m.fc(x).swapdims(0, 1).swapaxes(0, 1)": ["linear"],
    "torch.swapdims(m.fc(x), 1, 0).transpose(0, 1)": ["linear"],
    "torch.unflatten(m.fc(x), 2, (2, 2))": ["linear", "reshape"],
    "m.fc(x).unflatten(2, (2, 2))": ["linear", "reshape"],
    "(m.fc(x).sum(2, keepdim=True).broadcast_to(x.shape))": ["linear", "sum", "reshape", "expand"],
    "torch.add(m.fc(x), other=x)": ["linear", "add"],
    "torch.add(input=m.fc(x), other=x, alpha=0.5)": ["linear", "scale", "add"],
    "m.fc(x).mul(other=2.0)": ["linear", "scale"],
    "m.fc(x).mean(axis=2)": ["linear", "mean"],
    "m.fc(x).sum(axis=2, keepdims=True).squeeze(2)": ["linear", "sum"],
    "torch.cat([m.fc(x), x], axis=-1)": ["linear", "concat"],
    "m.fc(x).permute(dims=(1, 0, 2)).transpose(0, 1)": ["linear"],
    "m.fc(x).swapaxes(axis0=0, axis1=1).swapaxes(0, 1)": ["linear"],
    "m.fc(x).transpose(dim0=0, dim1=1).swapaxes(0, 1)": ["linear"],
    "torch.matmul(m.fc(x).unsqueeze(-1), other=x.unsqueeze(-2))": ["linear", "reshape", "reshape", "matmul"],
    "torch.broadcast_to(m.fc(x).sum(2, keepdim=True), x.shape)": ["linear", "sum", "reshape", "expand"],
}


@pytest.mark.parametrize("code", SPELLED)
def test_a_spelling_is_taken_and_right(code, net, traced, ops):
    run = eval(f"lambda m, x: {code}", {"torch": torch, "F": F})
    norm = nn.BatchNorm1d(4)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2)
        norm.bias.uniform_(-1, 1)
    layers = {"norm": norm, "drop": nn.Dropout1d(), "drop2": nn.Dropout2d(), "alpha": nn.AlphaDropout()}
    shape = (3, 2, 4) if "max_pool" in code else (4,)
    assert ops(traced(net(run, **layers), shape)) == SPELLED[code]
