// Locally connected layers (the authors' CIFAR-10 nets): convolution with kernels and biases of each place's own,
//   y[b,k,oy,ox] = bias[k,oy,ox]
//                + sum over c,ky,kx of w[k,oy,ox,c,ky,kx] * x[b,c, oy*stride + ky - pad, ox*stride + kx - pad]
// with x, dx (B, C, H, W, 16), w, dw (K, Ho, Wo, C/groups, kh, kw), bias, db (K, Ho, Wo), y, dy (B, K, Ho, Wo, 16);
// taps beyond the edge read 0, Ho follows as in convolution (conv.cpp). local_backward_data writes dx,
// local_backward_weights dw and db.
//
// At each place all three are matrix products, and one register block makes them:
//   y += w patch,   the patch's dx += transposed w dy,   dw = dy transposed patch
// where a patch is (taps, images), the images in lanes; for dw it is transposed, and the taps are in lanes.
#include "local.hpp"

#include <algorithm>
#include <vector>

#include "constant.hpp"
#include "shapes.hpp"
#include "simd.hpp"
#include "split.hpp"
#include "threads.hpp"

namespace alexnet {

namespace {

// rows x columns x LANES accumulators, as many as the target's registers hold.
#if defined(__AVX512F__)
constexpr int BLOCK_ROWS = 12, BLOCK_COLUMNS = 2;
#elif defined(__AVX2__)
constexpr int BLOCK_ROWS = 6, BLOCK_COLUMNS = 1;
#else
constexpr int BLOCK_ROWS = 2, BLOCK_COLUMNS = 1;
#endif

constexpr Index TASK_MAPS = 4, TASK_BLOCKS = 4;  // of dx: a task owns them

struct Offsets {  // in floats: of a row or a term among the numbers, and among those in lanes
    Index number, lanes;
};

// out[row][column] += sum over terms of numbers[row, term] * in[term][column], each of these LANES numbers.
struct Product {
    const float* numbers;
    const float* in;
    float* out;
    const std::vector<Offsets>&rows, &terms;
    Index columns, in_step, out_step;  // from column to column
};

template <int R, int C>
void multiply(const Product& p, const Offsets* rows, const float* in, float* out) {
    const float* numbers[R];
    Vec total[R][C][VECS];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        numbers[r] = p.numbers + rows[r].number;
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i)
                total[r][c][i] = load_vec(out + rows[r].lanes + c * p.out_step + i * WIDTH);
    }
    for (const Offsets& term : p.terms) {
        Vec from[C][VECS];
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i) from[c][i] = load_vec(in + term.lanes + c * p.in_step + i * WIDTH);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const float number = numbers[r][term.number];
#pragma GCC unroll 16
            for (int c = 0; c < C; ++c)
#pragma GCC unroll 16
                for (int i = 0; i < VECS; ++i) total[r][c][i] += from[c][i] * number;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c)
#pragma GCC unroll 16
            for (int i = 0; i < VECS; ++i)
                store_vec(out + rows[r].lanes + c * p.out_step + i * WIDTH, total[r][c][i]);
}

template <int R>
void multiply_columns(const Product& p, const Offsets* rows) {
    Index c = 0;
    for (; c + BLOCK_COLUMNS <= p.columns; c += BLOCK_COLUMNS)
        multiply<R, BLOCK_COLUMNS>(p, rows, p.in + c * p.in_step, p.out + c * p.out_step);
    for (; c < p.columns; ++c) multiply<R, 1>(p, rows, p.in + c * p.in_step, p.out + c * p.out_step);
}

void multiply(const Product& p) {
    const Split blocks = split(p.rows.size(), BLOCK_ROWS);
    for (Index i = 0; i < blocks.count; ++i)
        with_constant<BLOCK_ROWS>(
            blocks[i].size(), [&](auto rows) { multiply_columns<rows>(p, p.rows.data() + blocks[i].begin); });
}

void check_local(const char* op, const ConstMaps& x, const ConstBanks& w, const ConstMaps& y, ConvShape s) {
    check_conv(op, x, {w.data, w.kernels, w.maps, w.height, w.width}, y, s);
    CHECK(w.rows == y.height && w.columns == y.width, op, "w has kernels for ", w.rows, " x ", w.columns,
          " places: y ", y);
}

void check_local(const char* op, const ConstMaps& x, const ConstBanks& w, const ConstPlanes& b,
                 const ConstMaps& y, ConvShape s) {
    check_local(op, x, w, y, s);
    CHECK(b.kernels == w.kernels && b.rows == w.rows && b.columns == w.columns, op, "b (", b.kernels, ", ",
          b.rows, ", ", b.columns, ") does not fit y ", y);
}

// The taps of a place that fall inside maps of height x width: body(tap in a kernel's map, row, column).
template <class Body>
void for_each_tap(const ConstBanks& w, Index height, Index width, ConvShape s, Index place,
                  const Body& body) {
    const Index top = place / w.columns * s.stride - s.pad, left = place % w.columns * s.stride - s.pad;
    for (Index ky = 0; ky < w.height; ++ky)
        for (Index kx = 0; kx < w.width; ++kx)
            if (top + ky >= 0 && top + ky < height && left + kx >= 0 && left + kx < width)
                body(ky * w.width + kx, top + ky, left + kx);
}

// The kernels of a group by themselves: of their weights (number) and of their maps (lanes).
std::vector<Offsets> kernels_of(const ConstBanks& w, Index groups) {
    std::vector<Offsets> kernels;
    for (Index k = 0; k < w.kernels / groups; ++k)
        kernels.push_back({k * w.places() * w.taps(), k * w.places() * LANES});
    return kernels;
}

// The taps of some maps at a place that fall inside x: in a kernel (number) and in x (lanes), from the first map's.
std::vector<Offsets> taps_of(const ConstBanks& w, const ConstMaps& x, ConvShape s, Index place, Index maps) {
    std::vector<Offsets> taps;
    for (Index c = 0; c < maps; ++c)
        for_each_tap(w, x.height, x.width, s, place, [&](Index tap, Index row, Index column) {
            taps.push_back({c * w.height * w.width + tap, x.at(0, c, row, column) - x.at(0, 0)});
        });
    return taps;
}

// A place's patch of one group as [image][tap], zeros for taps outside x and up to `columns` taps.
void transpose_patch(const ConstMaps& x, Index group, const ConstBanks& w, ConvShape s, Index place,
                     float* patch, Index columns) {
    std::vector<Index> from(columns, -1);  // of each tap, in x
    for (const Offsets& tap : taps_of(w, x, s, place, w.maps)) from[tap.number] = tap.lanes;
    for (Index image = 0; image < x.blocks * LANES; image += WIDTH) {
        const float* first = x.at(image / LANES, group * w.maps) + image % LANES;
        for (Index t = 0; t < columns; t += WIDTH) {
            Vec square[WIDTH];
            for (int i = 0; i < WIDTH; ++i)
                square[i] = from[t + i] < 0 ? Vec{} : load_vec(first + from[t + i]);
            transpose(square);
            for (int i = 0; i < WIDTH; ++i) store_vec(patch + (image + i) * columns + t, square[i]);
        }
    }
}

}  // namespace

void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s) {
    check_local("local_forward", x, w, b, y, s);
    const Index kernels = w.kernels / s.groups;
    const auto rows = kernels_of(w, s.groups);
    parallel(s.groups * w.places(), [&](Index i) {
        const Index group = i / w.places(), place = i % w.places(), first = group * kernels;
        for (Index block = 0; block < x.blocks; ++block)
            for (Index k = first; k < first + kernels; ++k)
                store(y.at(block, k) + place * LANES, splat(b.data[k * w.places() + place]));
        const auto terms = taps_of(w, x, s, place, w.maps);
        multiply({w.at(first, place), x.at(0, group * w.maps), y.at(0, first) + place * LANES, rows, terms,
                  x.blocks, x.maps * x.map_stride(), y.maps * y.map_stride()});
    });
}

void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s) {
    check_local("local_backward_data", dx, w, dy, s);
    const Index kernels = w.kernels / s.groups;
    const auto terms = kernels_of(w, s.groups);
    const Split maps = split(w.maps, TASK_MAPS), blocks = split(dx.blocks, TASK_BLOCKS);
    parallel(s.groups * maps.count * blocks.count, [&](Index i) {
        const Range block = blocks[i % blocks.count], own = maps[i / blocks.count % maps.count];
        const Index group = i / (blocks.count * maps.count), first = group * w.maps + own.begin;
        for (Index b = block.begin; b < block.end; ++b)
            std::fill_n(dx.at(b, first), own.size() * dx.map_stride(), 0.0f);
        for (Index place = 0; place < w.places(); ++place) {
            const auto rows = taps_of(w, dx, s, place, own.size());
            multiply({w.at(group * kernels, place) + own.begin * w.height * w.width,
                      dy.at(block.begin, group * kernels) + place * LANES, dx.at(block.begin, first), rows,
                      terms, block.size(), dy.maps * dy.map_stride(), dx.maps * dx.map_stride()});
        }
    });
}

void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s) {
    check_local("local_backward_weights", x, dw, db, dy, s);
    const Index kernels = dw.kernels / s.groups, taps = dw.taps(), whole = taps / LANES;
    const Index columns = ceil_divide(taps, LANES) * LANES;
    std::vector<Offsets> rows, terms;
    std::vector<Offsets> last_rows;  // of the last taps, no whole LANES, in memory of their own
    for (Index k = 0; k < kernels; ++k) {
        rows.push_back({k * dy.map_stride(), k * dw.places() * taps});
        last_rows.push_back({k * dy.map_stride(), k * LANES});
    }
    for (Index image = 0; image < x.blocks * LANES; ++image)
        terms.push_back({image / LANES * dy.maps * dy.map_stride() + image % LANES, image * columns});
    parallel(s.groups * dw.places(), [&](Index i) {
        thread_local Scratch patch_scratch, last_scratch;
        const Index group = i / dw.places(), place = i % dw.places(), first = group * kernels;
        float* patch = patch_scratch.floats(x.blocks * LANES * columns);
        transpose_patch(x, group, dw, s, place, patch, columns);
        const float* slopes = dy.at(0, first) + place * LANES;
        for (Index k = first; k < first + kernels; ++k) {
            std::fill_n(dw.at(k, place), taps, 0.0f);
            Vec16 total = splat(0);
            for (Index b = 0; b < dy.blocks; ++b) total = total + load(dy.at(b, k) + place * LANES);
            db.data[k * dw.places() + place] = sum(total);
        }
        multiply({slopes, patch, dw.at(first, place), rows, terms, whole, LANES, LANES});
        if (whole * LANES == taps) return;
        float* last = last_scratch.floats(kernels * LANES);
        std::fill_n(last, kernels * LANES, 0.0f);
        multiply({slopes, patch + whole * LANES, last, last_rows, terms, 1, LANES, LANES});
        for (Index k = 0; k < kernels; ++k)
            std::copy_n(last + k * LANES, taps - whole * LANES, dw.at(first + k, place) + whole * LANES);
    });
}

void one::local_forward(Image<const float> x, ConstBanks w, ConstPlanes b, Image<float> y, ConvShape s) {
    check_local("local_forward", {x.data, 1, x.maps, x.height, x.width}, w, b,
                {y.data, 1, y.maps, y.height, y.width}, s);
    const Index kernels = w.kernels / s.groups, taps = w.taps(), whole = taps / WIDTH * WIDTH;
    parallel(s.groups * w.places(), [&](Index i) {
        thread_local Scratch scratch;
        const Index group = i / w.places(), place = i % w.places();
        float* patch = scratch.floats(taps);
        std::fill_n(patch, taps, 0.0f);
        for (Index c = 0; c < w.maps; ++c)
            for_each_tap(w, x.height, x.width, s, place, [&](Index tap, Index row, Index column) {
                patch[c * w.height * w.width + tap] =
                    x.data[(group * w.maps + c) * x.pixels() + row * x.width + column];
            });
        for (Index k = group * kernels; k < (group + 1) * kernels; ++k) {
            const float* weights = w.at(k, place);
            Vec total{};
            for (Index t = 0; t < whole; t += WIDTH) total += load_vec(weights + t) * load_vec(patch + t);
            float result = b.data[k * w.places() + place] + sum(total);
            for (Index t = whole; t < taps; ++t) result += weights[t] * patch[t];
            y.data[k * w.places() + place] = result;
        }
    });
}

namespace naive {

namespace {

// body(place in w, in x, in y) for every product of the layer.
template <class Body>
void for_each_product(const ConstMaps& x, const ConstBanks& w, ConvShape s, const Body& body) {
    for (Index b = 0; b < x.blocks; ++b)
        for (Index k = 0; k < w.kernels; ++k)
            for (Index place = 0; place < w.places(); ++place)
                for (Index c = 0; c < w.maps; ++c)
                    for_each_tap(w, x.height, x.width, s, place, [&](Index tap, Index row, Index column) {
                        const Index map = k / (w.kernels / s.groups) * w.maps + c;
                        const Index weight = w.at(k, place) - w.data + c * w.height * w.width + tap;
                        const Index from = x.at(b, map, row, column) - x.data;
                        const Index to = ((b * w.kernels + k) * w.places() + place) * LANES;
                        for (Index lane = 0; lane < LANES; ++lane) body(weight, from + lane, to + lane);
                    });
}

void round_into(float* to, const std::vector<double>& sums) {
    std::transform(sums.begin(), sums.end(), to, [](double sum) { return static_cast<float>(sum); });
}

}  // namespace

void local_forward(ConstMaps x, ConstBanks w, ConstPlanes b, Maps y, ConvShape s) {
    check_local("local_forward", x, w, b, y, s);
    std::vector<double> total(y.size());
    for (Index i = 0; i < y.size(); ++i) total[i] = b.data[i / LANES % (w.kernels * w.places())];
    for_each_product(x, w, s, [&](Index weight, Index from, Index to) {
        total[to] += double(w.data[weight]) * x.data[from];
    });
    round_into(y.data, total);
}

void local_backward_data(ConstMaps dy, ConstBanks w, Maps dx, ConvShape s) {
    check_local("local_backward_data", dx, w, dy, s);
    std::vector<double> total(dx.size());
    for_each_product(dx, w, s, [&](Index weight, Index from, Index to) {
        total[from] += double(w.data[weight]) * dy.data[to];
    });
    round_into(dx.data, total);
}

void local_backward_weights(ConstMaps x, ConstMaps dy, Banks<float> dw, Planes<float> db, ConvShape s) {
    check_local("local_backward_weights", x, dw, db, dy, s);
    std::vector<double> total(dw.kernels * dw.places() * dw.taps()), bias_total(dw.kernels * dw.places());
    for_each_product(x, dw, s, [&](Index weight, Index from, Index to) {
        total[weight] += double(dy.data[to]) * x.data[from];
    });
    for (Index i = 0; i < dy.size(); ++i) bias_total[i / LANES % bias_total.size()] += dy.data[i];
    round_into(dw.data, total);
    round_into(db.data, bias_total);
}

}  // namespace naive

}  // namespace alexnet
