// Operations in one pass with a neighbour's: what each computes is defined by the operations that it joins.
#pragma once

#include "engine.hpp"
#include "sgd.hpp"

namespace alexnet {

// fc_backward_weights' db by itself.
void fc_backward_bias(ConstMaps dy, Numbers db);
// fc_backward_weights, whose dw is the gradient of an sgd of w and v, and is never whole.
void fc_descend(ConstMaps x, ConstMaps dy, Numbers w, Numbers v, Descent d);

}  // namespace alexnet
