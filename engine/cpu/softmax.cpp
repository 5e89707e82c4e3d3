// Softmax and the log-loss of the true class (section 3.5), per image:
//   p[c] = exp(logit[c]) / sum of exp(logit)     loss = -log p[label]
//   dlogit[c] = factor * (p[c] - (1 where c is the label, else 0))
// with logits, probs, dlogits (B, classes, 1, 1, 16), labels (images), losses (images) in double. Lanes
// beyond the last image get zero gradients. Sums in double cost little beside the rest of the net.
#include <algorithm>
#include <cmath>

#include "engine.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "threads.hpp"

namespace alexnet {

template <class T>
void softmax_loss(Grid<const T> logits, Matrix<const std::int32_t> labels, Grid<T> probs, Grid<T> dlogits,
                  Matrix<double> losses, Index images, float factor) {
    const char* op = "softmax_loss";
    const Index classes = logits.maps;
    CHECK(classes >= 1 && logits.pixels() == 1, op, "logits ", logits,
          " must be (blocks, classes, 1, 1, 16)");
    CHECK(same_shape(logits, probs) && same_shape(logits, dlogits), op, "shapes differ: logits ", logits,
          ", probs ", probs, ", dlogits ", dlogits);
    CHECK(images >= 1 && images <= logits.blocks * LANES, op, images, " images do not fit logits ", logits);
    CHECK(labels.columns == images && losses.columns == images, op, "labels ", labels, " or losses ", losses,
          " are not one for each of ", images, " images");
    for (Index n = 0; n < images; ++n)
        CHECK(labels.data[n] >= 0 && labels.data[n] < classes, op, "label ", labels.data[n], " of image ", n,
              " is not one of the ", classes, " classes of logits ", logits);

    parallel(logits.blocks * LANES, [&](Index n) {
        const Index first = n / LANES * classes * LANES + n % LANES;  // of image n; classes are LANES apart
        const auto logit = [&](Index c) { return to_float(logits.data[first + c * LANES]); };
        double largest = logit(0), total = 0;
        for (Index c = 1; c < classes; ++c) largest = std::max<double>(largest, logit(c));
        for (Index c = 0; c < classes; ++c) total += std::exp(logit(c) - largest);
        for (Index c = 0; c < classes; ++c) {
            const double p = std::exp(logit(c) - largest) / total;
            const double truth = n < images && c == labels.data[n] ? 1.0 : 0.0;
            put(probs.data[first + c * LANES], static_cast<float>(p));
            put(dlogits.data[first + c * LANES],
                n < images ? static_cast<float>(factor * (p - truth)) : 0.0f);
        }
        if (n < images) losses.data[n] = std::log(total) - (logit(labels.data[n]) - largest);
    });
}

FOR_MAPS(softmax_loss);

}  // namespace alexnet
