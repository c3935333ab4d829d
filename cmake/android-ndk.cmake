# mnas-agent with Android's own compiler and C library, in place of a bundle that brings glibc along.
# Configured, never run: nobody has built with it yet, since the NDK is no Debian package, and XNNPACK, pthreadpool, cpuinfo,
# jansson and libyaml must first be built for Android below MNAS_SYSROOT (their own CMake files take the same toolchain).
#     cmake -DCMAKE_TOOLCHAIN_FILE=cmake/android-ndk.cmake -DANDROID_NDK=DIR -DMNAS_SYSROOT=DIR -DMNAS_AGENT=ON -B build-agent-ndk
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ANDROID_NDK MNAS_SYSROOT)
if(NOT ANDROID_NDK)
  set(ANDROID_NDK $ENV{ANDROID_NDK})
endif()
if(NOT EXISTS ${ANDROID_NDK}/build/cmake/android.toolchain.cmake)
  message(FATAL_ERROR "ANDROID_NDK is \"${ANDROID_NDK}\", which is no NDK: build/cmake/android.toolchain.cmake is not in it")
endif()
set(ANDROID_ABI arm64-v8a CACHE STRING "or armeabi-v7a, x86_64")
set(ANDROID_PLATFORM android-26 CACHE STRING "the oldest Android it runs on")
include(${ANDROID_NDK}/build/cmake/android.toolchain.cmake)

list(APPEND CMAKE_FIND_ROOT_PATH ${MNAS_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${MNAS_SYSROOT}/lib/pkgconfig)
