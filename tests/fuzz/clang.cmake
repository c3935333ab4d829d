# What the fuzz build does differently: clang in place of gcc, for libFuzzer.
#
# clang's OpenMP would need a runtime of its own. No reader uses threads, so the pragmas of the layers below are left out,
# and omp_get_max_threads comes from gcc's libgomp, which oneDNN links anyway. Warnings are gcc's business.
execute_process(COMMAND gcc -print-file-name=libgomp.so OUTPUT_VARIABLE libgomp OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
# gcc's omp.h is not for clang; these two functions are all of it that we call
file(WRITE ${CMAKE_BINARY_DIR}/gcc/omp.h "int omp_get_max_threads(void);\nvoid omp_set_num_threads(int n);\n")
add_library(OpenMP::OpenMP_C INTERFACE IMPORTED)
target_compile_options(OpenMP::OpenMP_C INTERFACE -fopenmp-simd)
target_include_directories(OpenMP::OpenMP_C INTERFACE ${CMAKE_BINARY_DIR}/gcc)
target_link_libraries(OpenMP::OpenMP_C INTERFACE ${libgomp})
add_compile_options(-fsanitize=fuzzer-no-link -w)
