#!/usr/bin/env python3
"""What Pillow makes of a picture of noise at other sizes, for test_resize.c: run again only to change the fixture.

Enlarging: BILINEAR. Shrinking by whole numbers: BOX. File: height, width, then the bytes, for the picture and each result.
"""
import pathlib
import random
import struct

from PIL import Image

random.seed(1)
HEIGHT, WIDTH = 12, 18
picture = Image.frombytes("RGB", (WIDTH, HEIGHT), bytes(random.randrange(256) for _ in range(HEIGHT * WIDTH * 3)))
results = [picture]
for height, width in ((24, 36), (17, 31), (13, 18), (40, 19)):
    results.append(picture.resize((width, height), Image.BILINEAR))
for height, width in ((6, 9), (4, 6), (3, 2), (1, 1)):
    results.append(picture.resize((width, height), Image.BOX))
with open(pathlib.Path(__file__).parent / "resize.bin", "wb") as out:
    for image in results:
        out.write(struct.pack("<2I", image.height, image.width) + image.tobytes())
