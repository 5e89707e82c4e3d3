// CUDA's driver library on a machine that plays having GPUs: -DGPUS=2 of them, -DINIT=0 what cuInit says.
#include <cstddef>
#include <cstdio>
#include <cstring>

extern "C" {
int cuInit(unsigned) { return INIT; }
int cuDriverGetVersion(int* version) {
    *version = 13020;
    return 0;
}
int cuDeviceGetCount(int* count) {
    *count = GPUS;
    return 0;
}
int cuDeviceGet(int* device, int index) {
    *device = 40 + index;
    return 0;
}
int cuDeviceGetName(char* name, int size, int device) {
    return std::snprintf(name, size, "Likeness %d of a GPU", device - 40) < size ? 0 : 1;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
    *bytes = std::size_t{80} << 30;
    return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? CAPABILITY : attribute == 76 ? 1 : -1;
    return 0;
}
int cuDeviceGetPCIBusId(char* bus, int size, int device) {
    return std::snprintf(bus, size, "0000:%02d:00.0", device - 40) < size ? 0 : 1;
}
int cuGetErrorString(int, const char** text) {
    *text = "the driver and its library differ";
    return 0;
}
}
