"""Layers at work, built in their places: a function a kind of layer."""

from functools import singledispatch

from alexnet.errors import Failure
from alexnet.net.layers import (
    AveragePooling,
    Blob,
    Crossing,
    DropOut,
    HyperbolicTangent,
    Layer,
    MaxPooling,
    Parting,
    PooledResponses,
    Rectifier,
    ResponseNormalisation,
    ResponsePooling,
    SoftmaxLoss,
    SpatialResponseNormalisation,
)
from alexnet.net.parametric import Convolution, Descending, FullyConnected, LocallyConnected
from alexnet.net.site import Here
from alexnet.recipe import spec


@singledispatch
def build(layer: spec.LayerSpec, here: Here) -> Layer:
    """`layer` at work. Raises Failure where its settings do not fit the process's columns."""
    raise NotImplementedError(layer.kind)


@build.register
def _conv(layer: spec.Conv, here: Here) -> Layer:
    return _convolution(layer, here, here.shape.weight, layer.stride, layer.pad)


@build.register
def _local(layer: spec.Local, here: Here) -> Layer:
    weight, bias = here.parameters(layer, here.shape.weight)
    return LocallyConnected(*here.base, here.top(), weight, bias, layer.stride, layer.pad, here.groups)


@build.register
def _fc(layer: spec.Fc, here: Here) -> Layer:
    shape = here.shape
    if here.groups > 1:  # units that see their own column alone: kernels as large as the maps
        if shape.weight[0] % shape.groups:
            raise Failure(
                f"fc '{layer.name}': its {shape.weight[0]} units do not divide by {shape.groups} columns that one "
                f"process owns; use --procs {shape.groups}, or put an exchange before it"
            )
        maps, height, width = shape.input
        return _convolution(layer, here, (shape.weight[0], maps // shape.groups, height, width), stride=1, pad=0)
    weight, bias = here.parameters(layer, shape.weight)
    given = *here.base, here.top(), weight, bias, here.fusion.rectifies
    return Descending(*given, here.fused) if here.fusion.descends else FullyConnected(*given)


def _convolution(layer: spec.Weighted, here: Here, weights: tuple[int, ...], stride: int, pad: int) -> Layer:
    weight, bias = here.parameters(layer, weights)
    return Convolution(*here.base, here.top(), weight, bias, here.fusion.rectifies, stride, pad, here.groups)


@build.register
def _max_pool(layer: spec.MaxPool, here: Here) -> Layer:
    top = here.top()
    pooling = *here.base, top, layer.size, layer.stride, here.site.engine.bytes_like(top.value)
    if (response := here.fusion.normalises) is not None:
        return ResponsePooling(*pooling, response, here.groups, here.fused, here.fusion.masks)
    return MaxPooling(*pooling)


@build.register
def _average_pool(layer: spec.AveragePool, here: Here) -> Layer:
    return AveragePooling(*here.base, here.top(), layer.size, layer.stride)


@build.register
def _lrn(layer: spec.Lrn, here: Here) -> Layer:
    if here.fusion.pooled:
        return PooledResponses(*here.base, here.bottom)
    return ResponseNormalisation(*here.base, here.top(), layer, here.groups, here.fusion.masks)


@build.register
def _lrn_spatial(layer: spec.LrnSpatial, here: Here) -> Layer:
    return SpatialResponseNormalisation(*here.base, here.top(), layer)


@build.register
def _relu(layer: spec.Relu, here: Here) -> Layer:
    return Rectifier(*here.base, here.bottom, here.fusion.rectified, here.fusion.masked)


@build.register
def _tanh(layer: spec.Tanh, here: Here) -> Layer:
    return HyperbolicTangent(*here.base, here.bottom)


@build.register
def _dropout(layer: spec.Dropout, here: Here) -> Layer:
    shape = here.shape
    first = here.site.link.place.rows_of(shape.output.maps).start if shape.output_split else 0
    return DropOut(*here.base, here.bottom, first * shape.output.height * shape.output.width)


@build.register
def _exchange(layer: spec.Exchange, here: Here) -> Layer:
    return Crossing(*here.base, here.top(), here.site.link)


@build.register
def _apart(layer: spec.Apart, here: Here) -> Layer:
    return Parting(*here.base, here.top(), here.site.link)


@build.register
def _softmax(layer: spec.Softmax, here: Here) -> Layer:
    site, (name, ops, bottom) = here.site, here.base
    top = Blob(site.engine.maps(site.batch, *here.shape.output), None)
    below = bottom if site.training else Blob(bottom.value, site.engine.maps(site.batch, *here.shape.output))
    return SoftmaxLoss(name, ops, below, top, site.truth, site.losses, site.link.place.shares)
