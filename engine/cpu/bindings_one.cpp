// The operations on one image as Python sees them.
#include "bindings.hpp"
#include "bindings_local.hpp"

namespace alexnet {

namespace {

struct OneImage : Operations {
    using Operations::Operations;
};

}  // namespace

void bind_one_image(nb::module_& m) {
    nb::class_<OneImage> c(m, "OneImage", "What a net needs at test time, for one image in the plain form.");
    c.def(nb::init<int>(), nb::kw_only(), "threads"_a);
    def_conv_forward<SingleIn, SingleOut>(c, &one::conv_forward);
    def_max_pool_forward<SingleIn, SingleOut, Single<std::uint8_t>>(c, &one::max_pool_forward);
    def_average_pool_forward<SingleIn, SingleOut>(c, &one::average_pool_forward);
    def_lrn_forward<SingleIn, SingleOut>(c, &one::lrn_forward);
    def_lrn_spatial_forward<SingleIn, SingleOut>(c, &one::lrn_spatial_forward);
    def_fc_forward<SingleIn, SingleOut>(c, &one::fc_forward);
    def_activation<SingleIn, SingleOut>(c, "relu_forward", &one::relu_forward);
    def_activation<SingleIn, SingleOut>(c, "tanh_forward", &one::tanh_forward);
    def_scale<SingleIn, SingleOut>(c, &one::scale);
    def_softmax_loss<SingleIn, SingleOut>(c, &one::softmax_loss);
    def_local_forward<SingleIn, SingleOut>(c, &one::local_forward);
    def_augment<SingleOut>(c, &one::augment);
}

}  // namespace alexnet
