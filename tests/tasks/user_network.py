"""What a user might have: test_tracing copies it into a package of its own and traces its factories."""

from torch import nn

from spikec.snn.neuron import LIFNeuron


class Net(nn.Module):
    """[T, B, 3, 8, 8] to logits [B, classes]; with `repeat`, images [B, 3, 8, 8] shown three times."""

    def __init__(self, width=4, classes=5, repeat=False):
        super().__init__()
        self.repeat = repeat
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.lif = LIFNeuron(tau=2.0, v_threshold=0.3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width * 64, classes)

    def forward(self, x):
        if self.repeat:
            x = x.unsqueeze(0).expand(3, *x.shape)
        t, b = x.shape[:2]
        y = self.bn(self.conv(x.flatten(0, 1))).reshape(t, b, -1, 8, 8)
        return self.head(self.lif(y).flatten(2)).mean(0)


class Swapped(Net):
    def forward(self, x):
        return super().forward(x.transpose(0, 1))


class Broken(Net):
    def forward(self, x):
        raise KeyError("no such layer")


class Counting(Net):
    def forward(self, x):
        return super().forward(x) * float(x.sum())


def build(width=4, classes=5, repeat=False):
    return Net(width, classes, repeat)


def swapped():
    return Swapped()


def broken():
    return Broken()


def counting():
    return Counting()


def bare():
    return nn.Identity()


def fails():
    raise ZeroDivisionError("by the user's own hand")


def leaves():
    raise SystemExit("done")


def number():
    return 3


not_callable = 3
