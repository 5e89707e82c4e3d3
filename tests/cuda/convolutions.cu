// What convolution needs of the engine, for the tests that plant faults in it.
#include "conv.cu"
#include "conv_pack.cu"
#include "conv_weights.cu"
#include "rows.cu"
#include "scale.cu"
