// Locally connected layers (local.cpp) on maps in bf16: those of float32, on copies of the maps.
#include "bf16.hpp"
#include "pointwise.hpp"

namespace alexnet::bf16 {

namespace {

thread_local Scratch first_copy, second_copy;

Grid<float> room_for(Scratch& scratch, const MapSizes& x) {
    return {scratch.floats(x.size()), x.blocks, x.maps, x.height, x.width};
}

template <class From, class To>
void copy(const Grid<From>& from, const Grid<To>& to) {
    for_each_pixel(from, [&](Index i) { store(to.data + i, load(from.data + i)); });
}

Grid<const float> widened(Scratch& scratch, ConstMaps x) {
    const auto wide = room_for(scratch, x);
    copy(x, wide);
    return wide;
}

}  // namespace

void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s) {
    const auto wide = room_for(second_copy, y);
    alexnet::local_forward(widened(first_copy, x), w, b, wide, s);
    copy(wide, y);
}

void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s) {
    const auto wide = room_for(second_copy, dx);
    alexnet::local_backward_data(widened(first_copy, dy), w, wide, s);
    copy(wide, dx);
}

void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s) {
    alexnet::local_backward_weights(widened(first_copy, x), widened(second_copy, dy), dw, db, s);
}

}  // namespace alexnet::bf16
