"""Operations without weights: between values, over windows and axes, and on shapes."""

import numpy as np

from spikec_lava.kernels.weighted import patches


def add(a, b):
    """a + b, of equal shapes."""
    return a + b


def mul(a, b):
    """a * b element by element, of equal shapes."""
    return a * b


def matmul(a, b, transpose_a=False, transpose_b=False):
    """a [..., n, k] times b [..., k, m], either with its last two axes swapped: [..., n, m]."""
    left = np.swapaxes(a, -1, -2) if transpose_a else a
    right = np.swapaxes(b, -1, -2) if transpose_b else b
    return left @ right


def scale(x, factor=1.0):
    """x times a constant."""
    return x * factor


def max_pool(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0)):
    """The greatest value of each window of x [C, H, W]; padding never wins."""
    return patches(x, kernel, stride, padding, (1, 1), fill=-np.inf).max(axis=(1, 2))


def sum_pool(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0)):
    """The sum of each window of x [C, H, W], zeros in the padding."""
    return patches(x, kernel, stride, padding, (1, 1)).sum(axis=(1, 2))


def avg_pool(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0)):
    """The sum of each window over its size, zeros in the padding counted among them."""
    return sum_pool(x, kernel, stride, padding) / (kernel[0] * kernel[1])


def sum_over(x, axes=(0,)):
    """The sum over axes, which disappear."""
    return x.sum(axis=tuple(axes))


def mean_over(x, axes=(0,)):
    """The mean over axes, which disappear: one division of the sum, not a product by a reciprocal."""
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return x.sum(axis=tuple(axes)) / count


def reshape(x, shape=()):
    """The same elements in row-major order in another shape."""
    return x.reshape(shape)


def transpose(x, axes=()):
    """The result's axis i is x's axis axes[i]."""
    return x.transpose(axes)
