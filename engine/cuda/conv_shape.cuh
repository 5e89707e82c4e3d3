// The geometry that convolution's three products share.
#pragma once

/// A product's geometry for one group: it reads `source` maps and makes `target` maps, whichever way it runs.
struct ConvShape {
    int images, source_maps, source_height, source_width, target_maps, target_height, target_width;
    int size_y, size_x, stride, pad;
};
