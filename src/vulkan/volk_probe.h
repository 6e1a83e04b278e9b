// volk_probe.h - run through the preprocessor by meson.build to list volk's names.
#include <volk.h>
