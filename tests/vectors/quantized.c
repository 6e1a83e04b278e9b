// quantized.c - what ggml makes of floats: wrote quantized.f32.npy and quantized.<name>.bin beside
// it, with libggml-base 0.27.0 of Debian testing:
//
//     cc quantized.c -lggml-base && ./a.out FOLDER
#include <ggml.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 2048, SPECIAL = 8 * 32 };

static float values[COUNT];

static FILE *create(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/quantized.%s", folder, name);
    return fopen(path, "wb");
}

static void make_values(void)
{
    uint64_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        double sum = 0.0; // of twelve, about normal
        for (int k = 0; k < 12; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) / (1 << 24);
        }
        values[i] = (float)((sum - 6.0) * 0.5);
    }
    for (int i = 0; i < SPECIAL; i++) {
        const int j = i % 32;
        switch (i / 32) {
        case 0: values[i] = 0.0f; break;
        case 1: values[i] = (float)(j - 16) * 0.5f; break;        // halfway between codes
        case 2: values[i] = j ? (float)j - 16.5f : 127.0f; break; // and of q8_0
        case 3:
            values[i] = j == 5 || j == 9 ? 2.0f : j == 7 ? -2.0f : 0.25f * (float)(j % 4);
            break;
        case 4: values[i] = 3.0f; break;   // no span
        case 5: values[i] *= 1e-6f; break; // scales that are subnormal in f16
        case 6: values[i] = fabsf(values[i]) + 1.0f; break;
        default: values[i] *= 1e-12f; break; // scales that are 0 in f16
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum ggml_type type;
    } types[] = { { "f16.bin", GGML_TYPE_F16 }, { "bf16.bin", GGML_TYPE_BF16 },
        { "q8_0.bin", GGML_TYPE_Q8_0 }, { "q4_0.bin", GGML_TYPE_Q4_0 },
        { "q4_1.bin", GGML_TYPE_Q4_1 }, { "q5_0.bin", GGML_TYPE_Q5_0 },
        { "q5_1.bin", GGML_TYPE_Q5_1 }, { "q2_K.bin", GGML_TYPE_Q2_K },
        { "q3_K.bin", GGML_TYPE_Q3_K }, { "q4_K.bin", GGML_TYPE_Q4_K },
        { "q5_K.bin", GGML_TYPE_Q5_K }, { "q6_K.bin", GGML_TYPE_Q6_K } };
    static char blocks[COUNT * 4];
    char header[128];
    if (argc != 2)
        return 2;
    make_values();
    FILE *file = create(argv[1], "f32.npy");
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\1\0\x76\0", 10);
    const int size = snprintf(header + 10, sizeof header - 10,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }", COUNT);
    header[10 + size] = ' ';
    header[sizeof header - 1] = '\n';
    fwrite(header, sizeof header, 1, file);
    fwrite(values, sizeof values, 1, file);
    fclose(file);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t bytes =
            ggml_quantize_chunk(types[i].type, values, blocks, 0, COUNT / 256, 256, NULL);
        file = create(argv[1], types[i].name);
        fwrite(blocks, bytes, 1, file);
        fclose(file);
    }
    return 0;
}
