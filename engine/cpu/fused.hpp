// Operations in one pass with a neighbour's: what each computes is defined by the operations that it joins.
#pragma once

#include "engine.hpp"
#include "sgd.hpp"

namespace alexnet {

// fc_backward_weights' db by itself.
template <class T>
void fc_backward_bias(Grid<const T> dy, Numbers db);
// fc_backward_weights, whose dw is the gradient of an sgd of w and v, and is never whole.
void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d);
// lrn_forward, and max_pool_forward of the responses.
template <class T>
void lrn_max_pool_forward(Grid<const T> x, Grid<T> y, Grid<std::uint8_t> argmax, Response r, Index groups,
                          PoolShape s);
// Their gradient; relu: and relu_backward's, where x is ReLU's output.
template <class T>
void lrn_max_pool_backward(Grid<const T> x, Grid<const T> dy, Grid<const std::uint8_t> argmax, Grid<T> dx,
                           Response r, Index groups, PoolShape s, bool relu);

}  // namespace alexnet
