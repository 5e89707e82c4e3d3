// The operations on one image as Python sees them.
#include "bindings.hpp"
#include "one.hpp"

namespace alexnet {

void bind_one(nb::module_& m) {
    bind_local_one(m);
    def_conv_forward<SingleIn, SingleOut>(m, &one::conv_forward);
    def_max_pool_forward<SingleIn, SingleOut, Single<std::uint8_t>>(m, &one::max_pool_forward);
    def_average_pool_forward<SingleIn, SingleOut>(m, &one::average_pool_forward);
    def_lrn_forward<SingleIn, SingleOut>(m, &one::lrn_forward);
    def_lrn_spatial_forward<SingleIn, SingleOut>(m, &one::lrn_spatial_forward);
    def_fc_forward<SingleIn, SingleOut>(m, &one::fc_forward);
    def_activation<SingleIn, SingleOut>(m, "relu_forward", &one::relu_forward);
    def_activation<SingleIn, SingleOut>(m, "tanh_forward", &one::tanh_forward);
    def_scale<SingleIn, SingleOut>(m, &one::scale);
    def_softmax_loss<SingleIn, SingleOut>(m, &one::softmax_loss);
    def_augment<SingleOut>(m, &one::augment);
}

}  // namespace alexnet
