// Activations (section 3.1), number by number; x, y, dy, dx (B, C, H, W, 16). y may be x, and dx may be dy.
//   relu: y = max(x, 0),  dx = dy where y > 0, else 0      tanh: y = tanh(x),  dx = dy (1 - y) (1 + y)
#include "engine.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// Calls body(offset) for each pixel's LANES numbers, in parallel.
template <class Body>
void for_each_pixel(const ConstMaps& x, const Body& body) {
    parallel(x.blocks * x.maps, [&](Index map) {
        for (Index i = 0; i < x.map_stride(); i += LANES) body(map * x.map_stride() + i);
    });
}

void check_backward(const char* op, const ConstMaps& y, const ConstMaps& dy, const ConstMaps& dx) {
    CHECK(same_shape(y, dy) && same_shape(y, dx), op, "shapes differ: y ", y, ", dy ", dy, ", dx ", dx);
}

}  // namespace

void relu_forward(ConstMaps x, Maps y) {
    check_alike("relu_forward", x, y);
    for_each_pixel(x, [&](Index i) {
        const Lanes v = load(x.data + i);
        store(y.data + i, select(less(v, splat(0)), splat(0), v));  // a NaN stays one
    });
}

void relu_backward(ConstMaps y, ConstMaps dy, Maps dx) {
    check_backward("relu_backward", y, dy, dx);
    for_each_pixel(y, [&](Index i) {
        store(dx.data + i, select(less(splat(0), load(y.data + i)), load(dy.data + i), splat(0)));
    });
}

void tanh_forward(ConstMaps x, Maps y) {
    check_alike("tanh_forward", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, tangent(load(x.data + i))); });
}

void tanh_backward(ConstMaps y, ConstMaps dy, Maps dx) {
    check_backward("tanh_backward", y, dy, dx);
    for_each_pixel(y, [&](Index i) {
        const Lanes v = load(y.data + i);
        store(dx.data + i, load(dy.data + i) * (splat(1) - v) * (splat(1) + v));
    });
}

void scale(ConstMaps x, Maps y, float factor) {
    check_alike("scale", x, y);
    for_each_pixel(x, [&](Index i) { store(y.data + i, load(x.data + i) * factor); });
}

}  // namespace alexnet
