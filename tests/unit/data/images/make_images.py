#!/usr/bin/env python3
"""Small images of every kind that image_file.h reads, and what Pillow decodes them to: run again only to change the fixture.

NAME.rgb beside each good file: height, width, then RGB bytes; NAME.grey of two of them. The pictures are smooth, so that
decoders which round differently stay within a few steps of each other.
"""
import io
import pathlib
import struct

from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
HEIGHT, WIDTH = 11, 17


def channel(f):
    return bytes(f(y, x) for y in range(HEIGHT) for x in range(WIDTH))


def smooth(k):
    return lambda y, x: (x * (13 - 4 * k) + y * (5 + 6 * k) + 20 * k) % 256


def merge(mode, *functions):
    return Image.merge(mode, [Image.frombytes("L", (WIDTH, HEIGHT), channel(f)) for f in functions])


rgb = merge("RGB", smooth(0), smooth(1), smooth(2))
grey = Image.frombytes("L", (WIDTH, HEIGHT), channel(smooth(0)))
alpha = merge("RGBA", smooth(0), smooth(1), smooth(2), lambda y, x: (x * 15) % 256)
grey_alpha = merge("LA", smooth(0), lambda y, x: (y * 23) % 256)


def expect(name, image):
    image = image.convert("RGB")
    (HERE / (name + ".rgb")).write_bytes(struct.pack("<2I", image.height, image.width) + image.tobytes())


def on_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image)


def save(name, image, expected=None, **options):
    image.save(HERE / name, **options)
    expect(name, expected(Image.open(HERE / name)) if expected else Image.open(HERE / name))


save("colour.jpg", rgb, quality=90, subsampling=0)
save("subsampled.jpg", rgb, quality=90, subsampling=2)
save("grey.jpg", grey, quality=90)
save("progressive.jpg", rgb, quality=90, subsampling=0, progressive=True)
save("cmyk.jpg", rgb.convert("CMYK"), quality=95, subsampling=0)
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(f"turned{orientation}.jpg", rgb, ImageOps.exif_transpose, quality=90, subsampling=0, exif=exif)

save("grey.png", grey)
save("rgb.png", rgb)
save("rgba.png", alpha, on_white)
save("grey_alpha.png", grey_alpha, on_white)
save("palette.png", rgb.quantize(16))
transparent = rgb.quantize(16)
save("palette_clear.png", transparent, on_white, transparency=3)
save("one_bit.png", grey.point(lambda v: 255 * (v > 100)).convert("1"))
save("wrong_name.png", rgb, format="JPEG", quality=90, subsampling=0)


def png(name, colour_type, depth, interlaced, rows, image):
    """What Pillow does not write: 16 bits and interlacing, with filter 0."""
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", WIDTH, HEIGHT, depth, colour_type, 0, 0, interlaced)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    (HERE / name).write_bytes(body)
    expect(name, image)


def deep(functions):
    return b"".join(
        b"\0" + b"".join(struct.pack(">H", f(y, x) * 257) for x in range(WIDTH) for f in functions) for y in range(HEIGHT)
    )


png("deep_rgb.png", 2, 16, 0, deep([smooth(0), smooth(1), smooth(2)]), rgb)
png("deep_grey.png", 0, 16, 0, deep([smooth(0)]), grey)

# Adam7 (PNG specification, 8.2): start and step in y and x of each pass
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
rows = b""
for y0, x0, step_y, step_x in PASSES:
    for y in range(y0, HEIGHT, step_y):
        row = b"".join(bytes(smooth(k)(y, x) for k in range(3)) for x in range(x0, WIDTH, step_x))
        rows += b"\0" + row if row else b""
png("interlaced.png", 2, 8, 1, rows, rgb)

for name in ("colour.jpg", "rgba.png"):
    image = Image.open(HERE / name)
    image = (on_white(image) if image.mode == "RGBA" else image).convert("L")
    (HERE / (name + ".grey")).write_bytes(struct.pack("<2I", image.height, image.width) + image.tobytes())

big = Image.frombytes("RGB", (96, 64), bytes((x * 2 + y + 40 * c) % 256 for y in range(64) for x in range(96) for c in range(3)))
save("large.jpg", big, quality=95, subsampling=0)

# What must not decode
good_jpeg, good_png = (HERE / "large.jpg").read_bytes(), (HERE / "rgb.png").read_bytes()
(HERE / "bad_cut.jpg").write_bytes(good_jpeg[: len(good_jpeg) // 2])
(HERE / "bad_cut.png").write_bytes(good_png[: len(good_png) // 2])
flipped = bytearray(good_png)
flipped[len(flipped) // 2] ^= 0x40
(HERE / "bad_crc.png").write_bytes(flipped)
(HERE / "bad_garbage.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)) * 2)
(HERE / "bad_text.jpg").write_bytes(b"<html>not found</html>")
(HERE / "bad_empty.png").write_bytes(b"")
huge = bytearray(good_png)
huge[16:24] = struct.pack(">2I", 15000, 15000)
import zlib

huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
(HERE / "bad_huge.png").write_bytes(huge)
out = io.BytesIO()
rgb.save(out, "GIF")
(HERE / "bad_gif.jpg").write_bytes(out.getvalue())
