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

/// What a step is measured by, first of each image: wrong[image] is 1 where a class is more probable than the label, of
/// equals one before it, else 0. As many threads as above.
extern "C" __global__ void tally_images(const Map* probs, const int* labels, double* wrong, int classes,
                                        int columns, int images) {
    using Ahead = int[kSharers][kImages];
    SHARED(Ahead, ahead);
    const int lane = threadIdx.x % kImages, sharer = threadIdx.x / kImages;
    const int image = blockIdx.x * kImages + lane, label = image < images ? labels[image] : 0;
    const bool known = unsigned(label) < unsigned(classes);
    const float own = known ? to_float(probs[label * columns + image]) : nan("");
    int count = 0;
    for (int c = sharer; c < classes; c += kSharers) {
        const float p = to_float(probs[c * columns + image]);
        count += !(p <= own) || (p == own && c < label);  // of NaN all others are ahead
    }
    ahead[sharer][lane] = count;
    __syncthreads();
    if (sharer || image >= images) return;
    for (int i = 1; i < kSharers; ++i) count += ahead[i][lane];
    wrong[image] = count ? 1 : 0;
}
KERNEL(tally_images);

/// Then of all: sums = the losses' and the wrong images'. One warp.
extern "C" __global__ void tally(const double* losses, const double* wrong, double* sums, int images) {
    double loss = 0, count = 0;
    for (int image = threadIdx.x; image < images; image += 32) loss += losses[image], count += wrong[image];
    for (int distance = 16; distance; distance /= 2) {
        loss += __shfl_xor_sync(0xffffffffu, loss, distance);
        count += __shfl_xor_sync(0xffffffffu, count, distance);
    }
    if (threadIdx.x == 0) sums[0] = loss, sums[1] = count;
}
KERNEL(tally);
