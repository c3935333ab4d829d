# For mnas-agent on another processor: Debian's cross compiler, and that processor's packages unpacked below MNAS_SYSROOT.
#     cmake -DCMAKE_TOOLCHAIN_FILE=cmake/debian-cross.cmake -DMNAS_TRIPLET=aarch64-linux-gnu -DMNAS_SYSROOT=DIR -DMNAS_AGENT=ON
# scripts/build-agent does it all. The C library to compile with is the cross compiler's own.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES MNAS_TRIPLET MNAS_SYSROOT)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${MNAS_TRIPLET}")
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${MNAS_TRIPLET}-gcc)
set(CMAKE_C_FLAGS_INIT "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64") # of 32-bit processors, too

set(CMAKE_FIND_ROOT_PATH ${MNAS_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${MNAS_SYSROOT}/usr/lib/${MNAS_TRIPLET}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${MNAS_SYSROOT})
set(CMAKE_C_STANDARD_INCLUDE_DIRECTORIES ${MNAS_SYSROOT}/usr/include/${MNAS_TRIPLET} ${MNAS_SYSROOT}/usr/include)
# What libraries need in turn is found there, too, and the newer C library those may ask for comes with the bundle.
set(CMAKE_EXE_LINKER_FLAGS_INIT
  "-Wl,-rpath-link,${MNAS_SYSROOT}/usr/lib/${MNAS_TRIPLET}:${MNAS_SYSROOT}/lib/${MNAS_TRIPLET}")
