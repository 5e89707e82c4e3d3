// Softmax and its log-loss (paper, 3.5):
//   p[c] = exp(l[c] - max) / sum;   loss = -log p[label];   dl[c] = factor (p[c] - 1 where c is the label)
// logits, probs, dlogits: [classes][columns], of which the first `images` are real; the others' results are
// zero. A loss is NaN where the label is no class. A block has kImages x kSharers threads: those of an image
// share the classes.
#include "common.cuh"

constexpr int kImages = SOFTMAX_IMAGES, kSharers = SOFTMAX_SHARERS;

extern "C" __global__ void softmax_loss(const Map* logits, const int* labels, Map* probs, Map* dlogits,
                                        double* losses, int classes, int columns, int images, float factor) {
    using Partial = float[kSharers][kImages];
    SHARED(Partial, partial);
    const int lane = threadIdx.x % kImages, sharer = threadIdx.x / kImages;
    const int image = blockIdx.x * kImages + lane;
    const bool real = image < images;

    float greatest = to_float(logits[image]);
    for (int c = sharer; c < classes; c += kSharers)
        greatest = fmaxf(greatest, to_float(logits[c * columns + image]));
    partial[sharer][lane] = greatest;
    __syncthreads();
    for (int i = 0; i < kSharers; ++i) greatest = fmaxf(greatest, partial[i][lane]);
    __syncthreads();

    float sum = 0;
    for (int c = sharer; c < classes; c += kSharers)
        sum += expf(to_float(logits[c * columns + image]) - greatest);
    partial[sharer][lane] = sum;
    __syncthreads();
    sum = 0;
    for (int i = 0; i < kSharers; ++i) sum += partial[i][lane];

    const int label = real ? labels[image] : -1;
    if (real && sharer == 0 && unsigned(label) >= unsigned(classes)) losses[image] = nan("");
    for (int c = sharer; c < classes; c += kSharers) {
        const int at = c * columns + image;
        const float logit = to_float(logits[at]);
        const float p = expf(logit - greatest) / sum;
        if (c == label) losses[image] = log(double(sum)) + double(greatest) - double(logit);
        put(probs[at], real ? p : 0.0f);
        put(dlogits[at], real ? factor * (p - (c == label ? 1.0f : 0.0f)) : 0.0f);
    }
}
KERNEL(softmax_loss);
