"""Operations by stored weights: linear, convolutions, batch normalisation."""

import numpy as np


def linear(x, weight, bias=None):
    """x [..., I] times weight [O, I], plus bias [O]: [..., O]."""
    y = x @ weight.T
    return y if bias is None else y + bias


def conv1d(x, weight, bias=None, stride=(1,), padding=(0,), dilation=(1,), groups=1):
    """Cross-correlation of x [C, N] by weight [O, C/groups, K], zero padding: [O, N']."""
    wide = conv2d(
        x[:, None, :],
        weight[:, :, None, :],
        bias,
        stride=(1, *stride),
        padding=(0, *padding),
        dilation=(1, *dilation),
        groups=groups,
    )
    return wide[:, 0, :]


def conv2d(x, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """Cross-correlation of x [C, H, W] by weight [O, C/groups, KH, KW], zero padding: [O, H', W']."""
    windows = patches(x, weight.shape[2:], stride, padding, dilation)
    outputs = weight.shape[0] // groups
    height, width = windows.shape[-2:]
    y = np.empty((weight.shape[0], height, width))
    for group in range(groups):
        ours = slice(group * outputs, (group + 1) * outputs)
        theirs = slice(group * weight.shape[1], (group + 1) * weight.shape[1])
        columns = windows[theirs].reshape(-1, height * width)
        y[ours] = (weight[ours].reshape(outputs, -1) @ columns).reshape(outputs, height, width)
    return y if bias is None else y + bias[:, None, None]


def patches(x, kernel, stride, padding, dilation, fill=0.0):
    """What each position of the kernel sees of x [C, H, W]: [C, KH, KW, H', W']."""
    padded = np.pad(x, ((0, 0), *((p, p) for p in padding)), constant_values=fill)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return windows.transpose(0, 3, 4, 1, 2)


def batch_norm(x, mean, var, weight=None, bias=None, axis=0, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias along one axis, statistics stored."""
    along = [1] * x.ndim
    along[axis] = -1
    y = (x - mean.reshape(along)) / np.sqrt(var.reshape(along) + eps)
    if weight is not None:
        y = y * weight.reshape(along)
    return y if bias is None else y + bias.reshape(along)
