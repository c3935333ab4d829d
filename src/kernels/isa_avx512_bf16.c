/* isa_avx512_bf16.c - the leaf loops of AVX-512 for tensors of bf16, which AVX512-BF16 rounds to. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,avx2,fma")
#define MNAS_LEAF_ISA   avx512_bf16
#define MNAS_LEAF_LANES 16
#define MNAS_LEAF_BF16
#include "kernels/leaf_all.h"
#endif
