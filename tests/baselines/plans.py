"""A baseline small enough to be learnt in a test."""

from alexnet.baselines.fisher import FisherPlan
from alexnet.baselines.linear import Sgd
from alexnet.baselines.pyramid import Pyramid
from alexnet.baselines.run import Channel, Plan
from alexnet.baselines.sparse import SparsePlan


def tiny(cells: Pyramid, epochs: int) -> Plan:
    """A channel of either coder."""
    return Plan(
        [
            Channel("colour", "colour", FisherPlan(dims=6, gaussians=2, rounds=2, cells=cells)),
            Channel("hog", "hog", SparsePlan(codewords=8, rounds=2, cells=cells)),
        ],
        step=16,
        scales=2,
        samples=300,
        sgd=Sgd(epochs=epochs),
    )
