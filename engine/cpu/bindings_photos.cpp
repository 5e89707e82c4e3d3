// What is done with photographs, as Python sees it: functions of one thread.
#include "bindings.hpp"
#include "resample.hpp"
#include "sums.hpp"

namespace alexnet {

void bind_photos(nb::module_& m) {
    m.def(
        "resample",
        [](Array<const std::uint8_t, nb::ndim<3>> image, Array<std::uint8_t, nb::ndim<3>> out, float left,
           float top, float right, float bottom, bool down_first) {
            CHECK(out.shape(0) == out.shape(1) && out.shape(2) == image.shape(2), "resample", "out (",
                  out.shape(0), ", ", out.shape(1), ", ", out.shape(2), ") must be (size, size, ",
                  image.shape(2), ")");
            resample({image.data(), side(image, 0), side(image, 1), side(image, 2)},
                     {left, top, right, bottom}, out.data(), side(out, 0), down_first);
        },
        array("image"), array("out"), nb::kw_only(), "left"_a, "top"_a, "right"_a, "bottom"_a, "down_first"_a,
        nb::call_guard<nb::gil_scoped_release>());
    m.def(
        "add_sums",
        [](Array<const std::uint8_t, nb::shape<-1, -1, -1, 3>> images,
           Array<std::uint64_t, nb::shape<-1, -1, 3>> totals,
           Array<std::uint64_t, nb::shape<3, 3>> products) {
            CHECK(totals.shape(0) == images.shape(1) && totals.shape(1) == images.shape(2), "add_sums",
                  "totals (", totals.shape(0), ", ", totals.shape(1), ", 3) must be of images (",
                  images.shape(1), ", ", images.shape(2), ", 3)");
            add_sums(images.data(), side(images, 0), side(totals, 0) * side(totals, 1), totals.data(),
                     products.data());
        },
        array("images"), array("totals"), array("products"), nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace alexnet
