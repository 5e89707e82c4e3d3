"""A product of two of the host's matrices on a device, for what is no net: alexnet.retrieval.neighbours."""

from collections.abc import Callable

from alexnet.engines import Floats
from alexnet.engines.cuda.device import Array, Device, Values
from alexnet.engines.cuda.workspace import Workspace
from alexnet.engines.maps import FLOAT


def on_device(device: Device) -> Callable[[Values, Values], Floats]:
    """What makes a b' (n, m) of a (n, d) and b (m, d), summed in float32: its rounding is that of float32 alone.

    The device's memory for one product is used again by the next, which is no larger as a rule. Raises ValueError for a
    device that rounds what it multiplies, to tf32 or bf16.
    """
    if device.precision != "fp32":
        raise ValueError(f"the products of a device for {device.precision} are not those of float32")
    workspace = Workspace(device)

    def there(name: str, values: Values) -> Array:
        array = workspace.take(name, values.shape, FLOAT)
        array[...] = values
        return array

    def multiply(a: Values, b: Values) -> Floats:
        out = workspace.take("products", (len(a), len(b)), FLOAT)
        device.gemm(there("a", a), there("b", b), out, transpose_b=True)
        products: Floats = out.download()
        return products

    return multiply
