#!/usr/bin/env python3
"""Valid and nearly valid inputs for every fuzz target, from which the corpus grew.

    tests/fuzz/seeds.py FOLDER [BUILD]

writes FOLDER/NAME/... ; with BUILD (a build folder without MNAS_FUZZ) also the studies, which its fuzz_rows makes.
Needs nothing beside Python's own modules; the files are the same on every run.
"""
import base64
import gzip
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tarfile
import zlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef"


def text(*parts):
    return "".join(parts).encode()


def block():
    yield "plain", b"r3_k5_s22_e3_i24_o40_se0.25"
    yield "ops", b"r1_k3_s11_e1_i32_o16_opsep_noskip r2_k7_s22_e6_i16_o24_opconv_skippool r1_k3_s11_e1_i24_o24_acthswish"
    for i, bad in enumerate(["", "r3", "r3_k5_s2_e3_i24_o40", "r3_k5_s22_e3_i24_o40_se2", "r3_r3_k5_s22_e3_i24_o40",
                             "r0_k4_s33_e0_i0_o0", "r3_k5_s22_e3_i24_o99999999999", "r3_k5_s22_e3_i24_o40_what",
                             "r1_k3_s11_e1_i32_o16 r1_k3_s11_e1_i99_o16", "_", "r1_k3_s11_e1_i32_o16_",
                             "r1_k3_s11_e1_i8_o8_se0.1234567890123456", "r1_k3_s11_e1_i8_o8_se1e-9"]):
        yield f"bad{i}", bad.encode()


MODEL = """name: tiny
stem: 8
stem_stride: 2
act: relu6
padding: symmetric
bn_epsilon: 0.001
bn_momentum: 0.9
bn_unbiased: false
dropout: 0.2
classes: 10
input: 28
channels: 1
mean: [0.5]
std: [0.25]
head: 64
blocks:
  - r1_k3_s11_e1_i8_o16_opsep_noskip
  - r2_k5_s22_e3_i16_o24_se0.25
"""


def model():
    yield "whole", MODEL.encode()
    yield "short", b"blocks: [r1_k3_s11_e1_i32_o16]\n"
    yield "flow", b"{name: 'a ''b'' # c', channels: 3, mean: [0.1, 0.2, 0.3], std: [1, 1, 1], blocks: [r1_k3_s11_e1_i32_o16]}"
    bad = ["", "- a\n", "a: 1\na: 2\n", "blocks: &x [1]\n", "blocks: *x\n", "blocks: !t [1]\n", "%YAML 1.1\n---\nblocks: []\n",
           "--- {a: 1}\n--- {b: 2}\n", "blocks: []\n", "blocks: 3\n", "name: [1]\nblocks: []\n", "stem: x\nblocks: []\n",
           "stem: 99999999\n", "act: swim\n", "padding: no\n", "mean: 3\n", "mean: [1, 2]\n", "std: [0, 0, 0]\n",
           "bn_epsilon: -1\n", "dropout: nan\n", "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "{a: {b: {c: [d]}}}", "steam: 3\n",
           "name: " + "x" * 80 + "\nblocks: [r1_k3_s11_e1_i32_o16]\n", "a: \"\\x00\"\n", "a: 'b\n", "? [a]\n: b\n",
           "blocks: [r1_k3_s11_e1_i32_o16, r1_k3_s11_e1_i17_o16]\n", "blocks: [[1]]\n", "blocks: [{a: b}]\n", "\xef\xbb\xbfa: 1\n",
           "channels: 9\n", "blocks:\n" + "  - r1_k3_s11_e1_i16_o16\n" * 65, "name: \xff\xfe\n"]
    for i, b in enumerate(bad):
        yield f"bad{i}", b.encode("latin-1")


SPACE = """name: s
stem: 8
classes: 10
input: 28
channels: 1
choices:
  - op: [mbconv, sep_noskip, conv]
  - expand: [3, 6]
  - kernel: [3, 5]
  - se: [0, 0.25]
  - skip: [identity, none]
  - filters: [x0.75, x1, 24]
  - layers: [r, r+1, 4]
blocks:
  - r1_k3_s11_e1_i8_o16_opsep_noskip
  - {net: r2_k5_s22_e3_i16_o24_se0.25, kernel: [7], layers: [1, 2]}
"""


def space():
    yield "small", b"choices: [kernel: [3, 5]]\nblocks: [r1_k3_s11_e1_i32_o16]\n"
    yield "choices", b"""stem: 8
choices:
  - op: [mbconv, conv]
  - kernel: [3, 5]
  - expand: [3, 6]
  - se: [0, 0.25]
  - skip: [identity, none, pool]
  - filters: [x0.75, x1, 24]
  - layers: [r, r+1, 4]
blocks:
  - r1_k3_s11_e1_i8_o16_noskip
  - {net: r2_k5_s22_e3_i16_o24_se0.25, kernel: [7], layers: [1, 2]}
"""
    yield "op-skip", b"choices: [op: [mbconv_noskip, sep, conv_skippool, mbconv3, mbconv6]]\nblocks: [r1_k3_s11_e1_i32_o16]\n"
    yield "per-layer", b"per: layer\nchoices: [kernel: [3, 5], se: [0, 0.25]]\nblocks: [r3_k3_s11_e1_i32_o16]\n"
    for path in sorted(SOURCE.glob("spaces/*.yaml")):
        yield path.stem, path.read_bytes()
    bad = ["choices: []\nblocks: [r1_k3_s11_e1_i32_o16]\n", "blocks: [r1_k3_s11_e1_i32_o16]\n",
           "choices: [kernel: [3]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "choices: [kernel: [3, 3]]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "choices: [kernel: [3, 4]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "choices: [kernel: []]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "choices: [filters: [x0.001, x17]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "choices: [filters: [xx, 3]]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "choices: [layers: [r-1, r+99]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "choices: [layers: [rr]]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "per: layer\nchoices: [layers: [1, 2]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "per: day\n",
           "choices: [kernel: [3, 5], kernel: [3, 5]]\n", "choices: [{kernel: [3, 5], se: [0]}]\n", "choices: 3\n", "choices: [3]\n",
           "choices: [kernel: [3, 5]]\nblocks: []\n", "choices: [kernel: [3, 5]]\nblocks: [{kernel: [3]}]\n",
           "choices: [kernel: [3, 5]]\nblocks: [{net: r1_k3_s11_e1_i32_o16, kernal: [3]}]\n", "choices: [kernel: [3, 5]]\n",
           "choices: [kernel: [3, 5]]\nblocks: [r1_k3_s11_e1_i31_o16]\n", "choices: [op: [what]]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "choices: [skip: [identity, none], op: [mbconv_noskip, sep]]\nblocks: [r1_k3_s11_e1_i32_o16]\n",
           "per: layer\nchoices: [kernel: [3, 5]]\nblocks: [r64_k3_s11_e1_i32_o32, r2_k3_s11_e1_i32_o32]\n",
           "choices: [se: [2, 3]]\nblocks: [r1_k3_s11_e1_i32_o16]\n", "choices: [kernel: [[3], 5]]\nblocks: [r1_k3_s11_e1_i32_o16]\n"]
    for i, b in enumerate(bad):
        yield f"bad{i}", b.encode()


def container(tensors, data, extra=None):
    head = dict(extra or {})
    head.update(tensors)
    raw = json.dumps(head, separators=(",", ":")).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def tiny_tensors():
    """The tensors of target_weights.c's network."""
    shapes = [("conv_stem.weight", [1, 1, 3, 3]), ("blocks.0.0.conv_dw.weight", [1, 1, 3, 3]),
              ("blocks.0.0.conv_pw.weight", [1, 1, 1, 1]), ("classifier.weight", [2, 1]), ("classifier.bias", [2])]
    for bn in ["bn1", "blocks.0.0.bn1", "blocks.0.0.bn2"]:
        shapes += [(f"{bn}.{part}", [1]) for part in ["weight", "bias", "running_mean", "running_var"]]
    return shapes


def packed(shapes, dtype="F32", size=4):
    at, out = 0, {}
    for name, shape in shapes:
        n = size
        for d in shape:
            n *= d
        out[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    return out, bytes(i % 251 for i in range(at))


def weights():
    tensors, data = packed(tiny_tensors())
    yield "network", container(tensors, data, {"__metadata__": {"arch": "r1", "note": "n"}})
    for dtype, size in [("F64", 8), ("F16", 2), ("BF16", 2)]:
        yield f"network_{dtype.lower()}", container(*packed(tiny_tensors(), dtype, size))
    wrapped = [("state_dict.module." + name, shape) for name, shape in tiny_tensors()]
    yield "wrapped", container(*packed(wrapped + [("epoch", [])]))
    yield "two", container(*packed(wrapped + [("ema." + name, shape) for name, shape in tiny_tensors()]))
    yield "extra", container(*packed(tiny_tensors() + [("x", [1]), ("bn1.num_batches_tracked", [])]))
    yield "misshapen", container(*packed([(name, shape + [1]) for name, shape in tiny_tensors()]))
    short = [("x", [2, 2])]
    for dtype, size in [("F64", 8), ("F16", 2), ("U8", 1), ("I64", 8)]:
        yield dtype.lower(), container(*packed(short, dtype, size))
    yield "scalar", container(*packed([("x", [])]))
    yield "empty", container({}, b"")
    yield "zero", container(*packed([("x", [0, 3]), ("y", [1])]))
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    for i, change in enumerate([{"dtype": "X"}, {"dtype": 3}, {"shape": 3}, {"shape": [3]}, {"shape": [-1]}, {"shape": ["a"]},
                                {"shape": [1] * 9}, {"shape": [1 << 40, 1 << 40]}, {"data_offsets": [4, 12]},
                                {"data_offsets": [8, 0]}, {"data_offsets": [0]}, {"data_offsets": [-1, 7]}, {"more": 1},
                                {"data_offsets": [0, 4], "shape": [1]}]):
        yield f"bad{i}", container({"x": {**one, **change}}, bytes(8))
    yield "overlap", container({"x": one, "y": {**one, "data_offsets": [4, 12]}}, bytes(12))
    yield "meta", container({"x": one}, bytes(8), {"__metadata__": {"a": 1}})
    yield "meta2", container({"x": one}, bytes(8), {"__metadata__": 3})
    for i, raw in enumerate([b"", b"1234", struct.pack("<Q", 1) + b"{", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 9) + b"{}",
                             struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 3) + b"{,}",
                             container({"x": one}, bytes(8))[:-1], struct.pack("<Q", 13) + b'{"a":1,"a":2}']):
        yield f"raw{i}", raw


PROGRESS = ("step=12,passes-done=1,loader-step=48,averaged=12,epochs-done=1,evaluated-step=10,epoch-steps=2,epoch-top1=5,epoch-loss=2.5,"
            "entry-steps=1,entry-top1=2,entry-loss=1.25,entry-s=0.5,train-loss=2,val-n=7,val-top1=0.5,val-top5=1,val-loss=1,"
            "val-balanced=0.5,best-epoch=1,best-accuracy=0.5,train-s=3,eval-s=1,elapsed-s=4.5")


def checkpoint():
    moving = ("running_mean", "running_var")
    shapes = [("model." + name, shape) for name, shape in tiny_tensors()]
    shapes += [(name + ".momentum", shape) for name, shape in tiny_tensors() if not name.endswith(moving)]
    tensors, data = packed(shapes)
    meta = {"kind": "mnas training, 1", "recipe": "lr=0.1\nbatch=32", "seed": "1", "progress": PROGRESS}
    yield "run", container(tensors, data, {"__metadata__": meta})
    for i, change in enumerate([{"kind": "x"}, {"recipe": "lr=0.2\nbatch=32"}, {"recipe": ""}, {"recipe": "lr=0.1\nbatch=32\nflip=true"},
                                {"seed": "2"}, {"progress": ""}, {"progress": "step=12"}, {"progress": PROGRESS + ",step=-1"},
                                {"progress": PROGRESS + ",step=99999999999"}, {"progress": PROGRESS + ",epoch-loss=1e999"},
                                {"progress": PROGRESS + ",epoch-loss=0.1e-320,val-loss=nan"}, {"progress": "x=1"}]):
        yield f"meta{i}", container(tensors, data, {"__metadata__": {**meta, **change}})
    for gone in meta:
        yield "no-" + gone, container(tensors, data, {"__metadata__": {k: v for k, v in meta.items() if k != gone}})
    others = [s for s in shapes if s[0] != "classifier.bias.momentum"]
    for name, shape in [("fewer", []), ("shape", [("classifier.bias.momentum", [0])])]:
        yield name, container(*packed(others + shape), {"__metadata__": meta})
    yield "cut", container(tensors, data, {"__metadata__": meta})[:-3]


def metrics():
    line = b'{"schema":1,"step":%d,"epoch":1,"loss":0.5%s}\n'
    lines = b"".join(line % (step, b',"val_loss":1' if step == 4 else b"") for step in [2, 4, 6])
    for step, evaluated in [(0, 0), (4, 0), (4, 4), (6, 4)]:
        yield f"lines{step}-{evaluated}", bytes([0, step, evaluated]) + lines
    yield "torn", bytes([0, 6, 4]) + lines[:-9]
    yield "torn-first", bytes([0, 6, 4]) + lines[:9]
    yield "foreign", bytes([0, 6, 4]) + b"a letter"
    yield "no-step", bytes([0, 6, 4]) + line[:17] + b'"step":"x"}\n'
    head = b"\x09" + struct.pack("<d", 1.5)
    value = b"\x0a\x08val/loss\x15" + struct.pack("<f", 1)
    plain = b"\x0a\x02lr\x15" + struct.pack("<f", 1)
    events = []
    for step, v in [(2, plain), (4, plain), (4, value), (200, plain)]:
        summary = b"\x0a" + bytes([len(v)]) + v
        varint = bytes([step]) if step < 128 else bytes([step & 127 | 128, step >> 7])
        events.append(head + b"\x10" + varint + b"\x2a" + bytes([len(summary)]) + summary)
    for step, evaluated in [(0, 0), (4, 0), (4, 4), (255, 255)]:
        yield f"events{step}-{evaluated}", bytes([2, step, evaluated]) + b"".join(struct.pack("<H", len(e)) + e for e in events)
    for i, bad in enumerate([b"\x10", b"\x10" + b"\xff" * 11, b"\x0b\0", b"\x2a\x7fx", b"\x09\0", b"\x15\0\0\0\0\x10\x01", b"\xff", b"\x2a\xff"]):
        yield f"event-bad{i}", bytes([2, 9, 9]) + b"".join(struct.pack("<H", len(e)) + e for e in [head + b"\x10\x01", bad])
    yield "raw", bytes([1, 9, 9]) + struct.pack("<Q", 26) + b"1234"


def idx_bytes(dims, payload=None):
    n = 1
    for d in dims:
        n *= d
    return bytes([0, 0, 8, len(dims)]) + b"".join(struct.pack(">I", d) for d in dims) + (bytes(i % 10 for i in range(n)) if payload is None else payload)


def idx():
    yield "labels", idx_bytes([5])
    yield "images", idx_bytes([2, 3, 4])
    yield "colour", idx_bytes([2, 2, 2, 3])
    yield "high-label", idx_bytes([2], b"\x03\x0b")
    yield "channels", idx_bytes([1, 2, 2, 2])
    yield "two", idx_bytes([2, 3])
    for i, raw in enumerate([b"", b"\0\0\x08", b"\0\0\x08\x03\0\0", b"\x1f\x8b\x08\x00", b"\0\0\x0d\x01\0\0\0\x01\0", b"\0\0\x08\x09",
                             b"\0\0\x08\0", idx_bytes([0], b""), idx_bytes([1 << 31, 1 << 31, 4], b""), idx_bytes([5])[:-1],
                             idx_bytes([5]) + b"x", idx_bytes([1, 5000, 1], b"x"), idx_bytes([0xffffffff], b""),
                             idx_bytes([0xffffffff, 1, 1], b"")]):
        yield f"bad{i}", raw


def parts(*items):
    return b"".join(bytes([how]) + struct.pack("<H", len(part)) + part for how, part in items)


def idx_folder():
    images, labels = idx_bytes([3, 2, 2]), idx_bytes([3])
    zipped = gzip.compress(images, mtime=0)
    yield "plain", parts((0, images), (0, labels), (0, images), (0, labels))
    yield "gzip", parts((1, images), (1, labels), (1, images), (1, labels))
    yield "raw-gzip", parts((0, zipped), (1, labels), (0, zipped), (1, labels))
    yield "missing", parts((2, b""), (0, labels), (0, images), (0, labels))
    yield "no-labels", parts((0, images), (2, b""), (0, images), (0, labels))
    yield "no-test", parts((0, images), (0, labels), (2, b""), (2, b""))
    yield "counts", parts((0, images), (0, idx_bytes([4])), (0, images), (0, labels))
    yield "size", parts((0, images), (0, labels), (0, idx_bytes([3, 2, 3])), (0, labels))
    yield "label", parts((0, images), (0, idx_bytes([3], b"\0\1\x20")), (0, images), (0, idx_bytes([3], b"\0\1\x30")))
    yield "cut", parts((0, zipped[:-9]), (0, labels), (0, zipped[:20]), (0, labels))
    yield "checksum", parts((0, zipped[:-8] + b"12345678"), (0, labels), (0, images), (0, labels))
    yield "long", parts((1, images + b"xx"), (0, labels), (0, images + b"x"), (0, labels))
    yield "short", parts((1, images[:-1]), (0, labels), (0, images[:-1]), (0, labels))
    yield "twice", parts((0, zipped + gzip.compress(b"", mtime=0)), (1, labels), (0, images), (0, labels))
    yield "bomb", parts((0, gzip.compress(idx_bytes([3, 2, 2]) + bytes(300000), mtime=0)), (1, labels), (0, images), (0, labels))
    yield "colour", parts((1, idx_bytes([2, 2, 2, 3])), (1, idx_bytes([2])), (0, b"\x1f\x8b"), (0, b""))


def cifar():
    record = bytes([3]) + bytes(i % 256 for i in range(3072))
    yield "one", record
    yield "two", record + bytes([9]) + bytes(3072)
    yield "label", bytes([10]) + bytes(3072)
    yield "cut", record[:-1]
    yield "empty", b""


# Made with libjpeg: 11 to 24 pixels a side, quality 40; `exif` and `progressive` are turned, `cmyk` is Adobe's.
JPEG = {
    "cmyk": ("/9j/7gAOQWRvYmUAZAAAAAAA/+EAIkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAIAAAAAAAA/9sAQwAUDg8SDw0UEhASFxUUGB4y"
        "IR4cHB49LC4kMklATEtHQEZFUFpzYlBVbVZFRmSIZW13e4GCgU5gjZeMfZZzfoF8/8AAFAgACAALBEMRAE0RAFkRAEsRAP/EABYA"
        "AQEBAAAAAAAAAAAAAAAAAAUCAP/EACMQAAICAQMFAAMAAAAAAAAAAAEDAhEEAAUxEiEiQWFRUoH/2gAOBEMATQBZAEsAAD8A2zpV"
        "hYk8l/Zao9R4s/Bfs8DV7OlWFiTyX9lqj1Hiz8F+zwNVtsIbdt7MtkbiqNgfseAP6aGrwIDb9sdlEAFcLj1AkGXEQa+kaKYluayW"
        "S/uxpMjzQ+C/Q4Gho4s8i3N8mMJlI1VkmzoqOLPItzfJjCZSNVZJs6KVhSYsTYTKcu8pSNkn8nX/2Q=="),
    "colour": ("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
        "gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8"
        "fHx8fHx8fHz/wAARCAAVABgDASIAAhEBAxEB/8QAGQABAQADAQAAAAAAAAAAAAAAAAMBAgUE/8QAKhAAAQIEBAQHAQAAAAAAAAAA"
        "AQIDAAQFERIhMUETIlFhFSRxgZGh0TL/xAAWAQEBAQAAAAAAAAAAAAAAAAABAAL/xAAZEQADAQEBAAAAAAAAAAAAAAAAARESITH/"
        "2gAMAwEAAhEDEQA/AMUSn/zlEKg/4nUghpQVLMHC3bRR3V3/AAR7qtMCRkBKNHzEyLZHNKNz76fPSNaNIpQkKXZKUi5JyAEPrIq+"
        "+KRTeIkXfc5Gh36+g/IRzHX11iocWygwjlaQdh19Tr9bQgl6x1niJyzpqU+5NuixcVcJ1wjYfEdGvPqlZGXlWrpEyVY1A54RbL3v"
        "9d4QhikM0rRJZHLCEIQP/9k="),
    "exif": ("/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAMAAAAAAAD/2wBDABQODxIPDRQSEBIXFRQY"
        "HjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/wAALCAAJAAwBAREA/8QAFQABAQAAAAAA"
        "AAAAAAAAAAAABQP/xAAdEAABBAIDAAAAAAAAAAAAAAAAAQMEBSEiMTJB/9oACAEBAAA/ACI1fxgTbr9UwUjeCbfVD//Z"),
    "gray": ("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7"
        "gYKBTmCNl4x9lnN+gXz/wAALCAAIAAsBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABf/EABsQAAEEAwAAAAAAAAAAAAAAAAABAgUh"
        "BCIx/9oACAEBAAA/ACMaP5Qi2P1Sj//Z"),
    "progressive": ("/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDABQODxIPDRQSEBIXFRQY"
        "HjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhlbXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8"
        "fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHz/wgARCAAQABMDASIAAhEBAxEB/8QAGAAAAwEBAAAA"
        "AAAAAAAAAAAAAAEDAgT/xAAUAQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIQAxAAAAFYuipxh//EABwQAQACAQUAAAAAAAAAAAAA"
        "AAMAAgEEERITIf/aAAgBAQABBQITiZ7Ewfi24UGktqE3/8QAFREBAQAAAAAAAAAAAAAAAAAAABH/2gAIAQMBAT8BR//EABQRAQAA"
        "AAAAAAAAAAAAAAAAABD/2gAIAQIBAT8BP//EAB0QAAAGAwEAAAAAAAAAAAAAAAABAhAhMhIiMUH/2gAIAQEABj8CEVLjYlZTaQnw"
        "f//EABsQAQACAgMAAAAAAAAAAAAAAAEAIRFhMUHx/9oACAEBAAE/IeKU6zTtuVJ5cEEMtBFNR0En/9oADAMBAAIAAwAAABCL/wD/"
        "xAAYEQACAwAAAAAAAAAAAAAAAAAAEVGx0f/aAAgBAwEBPxASbw//xAAYEQACAwAAAAAAAAAAAAAAAAAAARExYf/aAAgBAgEBPxC2"
        "Th//xAAfEAABBAICAwAAAAAAAAAAAAABABEhQTFRYXGBkdH/2gAIAQEAAT8Q1EzDFwYK+XwKipACeFoM2nzj3pCTIDkmAAnHAgSW"
        "2e8r/9k="),
}


def jpeg():
    for name, data in JPEG.items():
        raw = base64.b64decode(data)
        yield name, raw
        yield name + "-cut", raw[:len(raw) * 3 // 4]
    yield "head", b"\xff\xd8\xff\xe0"
    yield "nothing", b"\xff\xd8\xff\xd9"
    yield "other", b"GIF89a and so on, 16 bytes"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(colour, depth, interlace=0, side=5, before=b"", data=None):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + (side * channels * depth + 7) // 8
    raw = bytes(side * row * 2) if data is None else data
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def png():
    palette = chunk(b"PLTE", bytes(range(12)))
    for colour, depth in [(0, 1), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]:
        yield f"c{colour}-{depth}", png_of(colour, depth)
    yield "palette", png_of(3, 2, before=palette)
    yield "palette-alpha", png_of(3, 8, before=palette + chunk(b"tRNS", b"\0\x80"))
    yield "grey-key", png_of(0, 8, before=chunk(b"tRNS", b"\0\0"))
    yield "interlaced", png_of(2, 8, interlace=1)
    yield "short", png_of(2, 8, data=b"\0\1\2")
    yield "filter", png_of(0, 8, data=b"".join(bytes([f]) + bytes(5) for f in (0, 1, 2, 3, 4)))
    yield "cut", png_of(2, 8)[:-20]
    yield "head", png_of(2, 8)[:33]
    yield "large", png_of(0, 8)[:16] + struct.pack(">II", 30000, 30000) + png_of(0, 8)[24:]
    yield "no-palette", png_of(3, 8)
    yield "signature", b"\x89PNG\r\n\x1a\n"


def folder():
    yield "whole", b"Jcat/1.jpg\nPcat/2.png\nJdog/a/3.jpg\nJdog/.hidden\nxdog/readme.txt\nJdog/4.jpeg\nxcat/broken.jpg\n"
    yield "split", b"Jtrain/a/1\nJtrain/b/2\nJval/a/1\nJval/b/3\nJtest/b/1\nJtest/c/1\nxextra\n"
    yield "val", b"Jtrain/a/1\nJtrain/b/2\nJval/b/2\n"
    yield "one", b"Jonly/1\n"
    yield "none", b""
    yield "files", b"J1.jpg\nJ2.jpg\n"
    yield "no-images", b"xa/1\nxb/2\n"
    yield "names", "J\u00e9/ x\nJa b/\xff,=:\nJ-/-\n".encode("latin-1")
    yield "train-only", b"Jtrain/1\nJtrain/a/1\n"


def tar_of(members, kind=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()[:-8192] # fewer of the zeros at the end


def tar():
    few = [("a/0.jpg", b"J"), ("a/0.cls", b"3\n"), ("1.json", b'{"label": 1}'), ("1.PNG", b"P"), ("2.jpeg", b"J"), ("README", b"x")]
    yield "ustar", b"\0" + tar_of(few)
    yield "prefix", b"\1" + tar_of([("p" * 90 + "/" + "n" * 60 + end, b"1") for end in (".jpg", ".cls")])
    yield "pax", b"\0" + tar_of([("p" * 200 + end, b"1") for end in (".jpg", ".cls")], tarfile.PAX_FORMAT)
    yield "gnu", b"\1" + tar_of([("p" * 200 + end, b"1") for end in (".jpg", ".cls")], tarfile.GNU_FORMAT)
    yield "cut", b"\0" + tar_of(few)[:1800]
    yield "labels", b"\1" + tar_of([("0.jpg", b"J"), ("0.cls", b"-1"), ("1.jpg", b"J"), ("1.cls", b"99999"), ("2.jpg", b"J"),
                                     ("2.json", b"[]"), ("3.jpg", b"J"), ("3.json", b'{"label": "3"}'), ("4.jpg", b"")])
    whole = bytearray(tar_of(few))
    whole[124:136] = b"\x80" + b"\0" * 10 + b"\1"
    yield "binary", b"\1" + bytes(whole)
    whole[124:136] = b"\xff" * 12
    yield "binary-huge", b"\1" + bytes(whole)
    whole[124:136] = b"00000000x01\0"
    yield "no-number", b"\1" + bytes(whole)
    whole[124:136], whole[156:157] = b"00000000001\0", b"5"
    yield "folder", b"\1" + bytes(whole)
    for i, record in enumerate([b"10 size=1\n", b"99 path=x\n", b"11 path=ab\n", b"x", b"9 size=x\n", b"19 comment=nothing\n", b""]):
        pax = bytearray(tar_of([("x", record)] + few))
        pax[156:157] = b"xxxxxxg"[i:i + 1]
        yield f"record{i}", b"\1" + bytes(pax)
    yield "garbage", b"\0" + b"not a tar file" * 60
    yield "empty", b"\0"


def label_list():
    yield "caffe", b"v/1.JPEG 0\nv/2.JPEG 2\n# one\n3.JPEG 1\n"
    yield "from-one", b"1.JPEG\t3\r\n2.JPEG\t1\r\n"
    yield "kaggle", b"ImageId,PredictionString\n2,n01440764 1 2 3 4\n1,a 1 2 3 4 a 5 6 7 8\n"
    yield "classes", b"n01440764\na\n\na\n"
    for i, bad in enumerate([b"", b"\n#\n", b"1\n2\n", b"a 0\nb a\n", b"a 0\na 1\n", b"a 0\nb\n", b"a 9\n", b"a -1\n", b"a 0\nb 3\n",
                             b"a z\n", b"a\0 0\n", b",,, \t", b"x 99999999999999999999\n"]):
        yield f"bad{i}", bad


def command():
    texts = [b"5.25\n", b"warm-up 8.1 ms\naverage 5.5 ms\n", b"12,5 ms", b"5300 us", b"5 \xc2\xb5s", b"-3", b"0", b"1e999", b"nan", b"", b".5", b"0x1f 7",
             b"t=1\nt=2.5\nu=9", b"t=4 t=", b"bbb", b"Inference timings in us: Init: 3541, Inference (avg): 13452.7\nPeak: 12.5 MB\n",
             b"x\0 5", b"\x01\xff\n" * 200, b"9" * 400, b"1.2.3", b"a-7"]
    for i, text in enumerate(texts):
        for pattern in range(6):
            yield f"text{i}-{pattern}", bytes([pattern + 6 * (i % 3)]) + text


def bundle():
    line = "0123456789abcdef" * 4 + "  "
    yield "whole", text(line, "ld.so\n", line, "libc.so.6\n", line, "libyaml-0.so.2\n", line, "mnas-agent\n")
    yield "short", text("abc  program")
    yield "longest", text(line, "n" * 63, "\n")
    yield "too_long", text(line, "n" * 64, "\n", line, "program\n")
    yield "outside", text(line, "../../etc/passwd\n")
    yield "words", text(line, "a b\n")
    yield "shell", text(line, "$(x);y\n")
    yield "option", text(line, "-rf\n")
    yield "many", text(*[f"abc  file{i}\n" for i in range(70)])
    yield "nul", b"abc  a\0b\n"
    yield "nothing", b"\n"


def index_of(splits=(2, 1, 0), classes=2, side=32, places=1, text=b"/photos\0a.jpg\0b.jpg\0", n_text=None, label=1):
    def part(data):
        return data + b"\0" * (-len(data) % 64)
    n = sum(splits)
    header = struct.pack("<8sIiQQQQQq6i40x", b"MNASIDX", 1, classes, 7, places, len(text) if n_text is None else n_text, 4, 10, 1,
                         *splits, side, 3, 1)
    return (header + part(b"".join(struct.pack("<QQII", 8, 0, 0, 0) for _ in range(n))) +
            part(struct.pack("<Qqq", 0, -1, 1) * places) + part(struct.pack("<H", label) * n) + part(text) +
            part(b"a\nb\nbad: why\n") + b"checksum")


def index():
    yield "whole", index_of()
    yield "shard", index_of(text=b"/photos/x.tar\0a.jpg\0")
    yield "none", index_of(splits=(0, 0, 0))
    yield "negative", index_of(splits=(-1, 2, 2))
    yield "label", index_of(label=2)
    yield "no-places", index_of(places=0)
    yield "no-end", index_of(text=b"/photos\0a.jpg")
    yield "short-text", index_of(text=b"/ph\0")
    yield "long-text", index_of(n_text=1 << 60)
    yield "classes", index_of(classes=70000)
    yield "side", index_of(side=0)
    yield "cut", index_of()[:200]
    yield "empty", b""


def wire():
    request = {"wire": 3, "model": MODEL, "sentinel": MODEL, "threads": 1, "core": -2, "runs": 20, "time_ms": 100.0, "warmup_ms": 50.0,
               "seed": 7, "engine": "xnnpack"}
    measured = {"median_ms": 0.51, "p10_ms": 0.5, "runs": 196, "n_preempted": 0, "n_cpu_timed": 0, "warmup_runs": 20,
                "timed_s": 0.1, "n_switches": 0, "cpu_frac": 1.0, "steal_frac": None, "freq_mhz": 2400.0, "sentinel_ms": 0.4, "ratio": 1.27}
    before = {"load": 0.5, "freq_mhz": 2400.0, "temp_c": None, "steal_s": 1.5, "governor": "performance", "cpu": "a cpu"}
    reply = {"wire": 3, "core": 1, "engine": "xnnpack", "arch": "x86_64", "emulated": False, "round": measured, "before": before, "after": {}}
    core = {"max_mhz": 1800, "allowed": True, "governor": "schedutil"}
    info = {"version": "1", "cpu": "a cpu", "arch": "armv7l", "kernel": "Linux", "emulated": True, "can_raise": False, "memory_bytes": 4e9,
            "free_bytes": None, "temp_c": 40.5, "n_zones": 2, "best_core": 0, "cores": [core, {**core, "max_mhz": None}]}
    peaks = {"isa": "avx2", "flops_per_s": 2e11, "levels": [{"name": "L1", "bytes": 32768, "bytes_per_s": 1e11}]}
    dump = lambda o: json.dumps(o, separators=(",", ":")).encode()
    yield "request", b"\0" + dump(request)
    yield "reply", b"\1" + dump(reply)
    yield "failure", b"\1" + dump({"wire": 3, "status": -10, "message": "cannot be built"})
    yield "failure2", b"\1" + dump({"wire": 3, "status": 77})
    yield "engine", b"\1" + dump({**reply, "engine": "x" * 95 + "\u00e9" * 20})
    yield "layers", b"\2" + dump({"wire": 3, "layers": [["stem.conv", 0.25], ["head", 0.5]]})
    yield "layers-bad", b"\2" + dump({"wire": 3, "layers": [[3, 0.25]]})
    yield "layers-failure", b"\2" + dump({"wire": 3, "status": -8, "message": "m"})
    yield "logits", b"\3" + dump({"wire": 3, "logits": [0.1, -3e-9, 1e20]})
    yield "logits-bad", b"\3" + dump({"wire": 3, "logits": [1, "2"]})
    yield "info", b"\4" + dump({"wire": 3, "info": info})
    busy = {"load": 2.5, "busiest": "cc1, process 8", "busiest_frac": 0.9, "cap_mhz": 1200.0, "turbo": 1, "n_throttled": 3}
    yield "info-busy", b"\4" + dump({"wire": 3, "info": {**info, "hindrances": busy}})
    yield "info-cores", b"\4" + dump({"wire": 3, "info": {**info, "cores": [3]}})
    yield "peaks", b"\5" + dump({"wire": 3, "peaks": peaks})
    for key in request:
        if key != "wire":
            yield f"request-{key}", b"\0" + dump({k: v for k, v in request.items() if k != key})
    for key in reply:
        yield f"reply-{key}", b"\1" + dump({**reply, key: -5})
    for key in measured:
        yield f"round-{key}", b"\1" + dump({**reply, "round": {**measured, key: -5}})
    for i, raw in enumerate([b"", b"\0", b"\0{", b"\1[]", b"\1{}", b'\0{"wire":1}', b'\0{"wire":3,"wire":3}', b"\1\0{}"]):
        yield f"raw{i}", raw


def sentinel():
    reference = {"schema": 1, "device": "ssh:host=pi", "engine": "xnnpack", "cpu": "a cpu", "arch": "aarch64", "threads": 1, "core": 3,
                 "network": KEY, "ms": 0.42, "half_frac": 0.004, "rounds": 9, "time_utc": "2026-01-01T00:00:00Z"}
    dump = lambda o: json.dumps(o, indent=2).encode()
    yield "reference", dump(reference)
    yield "cut", dump(reference)[:-20]
    yield "long", dump({**reference, "device": "x" * 95 + "\u00e9" * 9})
    yield "empty", b""
    for key in reference:
        yield f"no-{key}", dump({k: v for k, v in reference.items() if k != key})
        yield f"bad-{key}", dump({**reference, key: -5})


def trial_wire():
    dump = lambda o: json.dumps(o, separators=(",", ":")).encode()
    request = {"model": MODEL, "data": "fashion-mnist", "recipe": "proxy", "epochs": 0.5, "max_images": 100, "threads": 1, "seed": 7}
    result = {"val_accuracy_frac": 0.5, "val_balanced_frac": 0.5, "val_loss": 1.0, "train_loss": 1.5, "steps": 10, "n_images": 320, "train_s": 1.0,
              "eval_s": 0.1, "earlier_s": 0.0, "images_per_s": 320.0, "slab_bytes": 1000, "peak_rss_bytes": 100000}
    yield "request", b"\0" + dump(request)
    yield "request-null", b"\0" + dump({**request, "epochs": None, "seed": -1})
    yield "request-model", b"\0" + dump({**request, "model": "name: x"})
    yield "request-int", b"\0" + dump({**request, "threads": 1 << 40})
    yield "request-less", b"\0" + dump({"model": "x"})
    measure = {"model": MODEL, "devices": ["local", "table:file=\"a + b\""]}
    yield "measure", b"\2" + dump(measure)
    yield "measure-none", b"\2" + dump({**measure, "devices": []})
    yield "measure-many", b"\2" + dump({**measure, "devices": ["local"] * 9})
    yield "measure-types", b"\2" + dump({**measure, "devices": ["local", 3]})
    yield "measure-model", b"\2" + dump({**measure, "model": "name: x"})
    yield "latency", b'\1{"latency":{"median_ms":0.5,"rounds":5,"device":"phone","wide":true}}'
    yield "latency-null", b'\1{"latency":{"median_ms":null}}'
    yield "latency-types", b'\1{"latency":{"median_ms":1,"rounds":"x"}}'
    yield "step", b'\1{"step":3,"n_steps":100}'
    yield "step-zero", b'\1{"step":3,"n_steps":0}'
    yield "epoch", b'\1{"epoch":1,"val_accuracy_frac":0.7}'
    yield "epoch-null", b'\1{"epoch":1,"val_accuracy_frac":null}'
    yield "result", b"\1" + dump({"result": result})
    yield "result-high", b"\1" + dump({"result": {**result, "val_accuracy_frac": 2}})
    yield "result-less", b"\1" + dump({"result": {"steps": 3}})
    yield "result-types", b"\1" + dump({"result": {**result, "steps": "x", "train_s": None, "n_images": 1e30}})
    yield "error", b'\1{"error":"nan","message":"the loss"}'
    yield "error-unknown", b'\1{"error":"what"}'
    yield "error-long", b'\1{"error":"nan","message":"' + b"x" * 1100 + b'"}'
    for i, raw in enumerate([b"", b"\0", b"\1", b"\1{}", b"\1[]", b"\1{", b'\1{"a":1,"a":2}', b"\0[]"]):
        yield f"raw{i}", raw


def table():
    line = {"key": KEY, "arch": "r1_k3_s11_e1_i32_o16_noskip", "input": 224, "median_ms": 1.5, "ci_low_ms": 1.4, "ci_high_ms": 1.6,
            "ci_level": 0.95, "spread_frac": 0.01, "rounds": 5, "runs": 20, "warmup_runs": 5, "threads": 1, "core": 1, "n_disturbed": 0,
            "n_cpu_timed": 0, "load_before": None, "freq_mhz": 2000, "temp_c": 40.5, "governor": "performance", "engine": "xnnpack",
            "device": "one", "cpu": "a cpu", "time_utc": "2026-01-01T00:00:00Z", "elapsed_s": 3.5}
    dump = lambda **change: json.dumps({**line, **change}, separators=(",", ":")).encode() + b"\n"
    # the key of target_table.c's network
    own = "9178cbedbf49e54a"
    yield "one", dump()
    yield "own", dump(key=own) + dump() + b"\n" + dump(key=own, median_ms=2)
    yield "devices", dump() + dump(key="f" * 16, device="two")
    yield "incomplete", dump() + dump()[:-9]
    yield "nul", dump() + b"\0\n"
    for i, change in enumerate([{"key": None}, {"key": "abc"}, {"median_ms": -1}, {"median_ms": "x"}, {"core": 1.5}, {"core": 1 << 40},
                                {"device": 3}, {"cpu": "x" * 300}]):
        yield f"bad{i}", dump(**change)
    yield "raw0", b""
    yield "raw1", b"[]\n"
    yield "raw2", b"{\n"
    yield "own-text", dump(key=own, cpu="\u00e9" * 40)


def latency_model():
    error = lambda way: {"way": way, "n": 20, "n_near": 5, "mean_frac": 0.05, "near_frac": 0.04, "p90_frac": 0.1, "worst_frac": 0.2,
                         "within_10_frac": 0.9, "kendall_tau": 0.8}
    kind = lambda name, width=0: {"kind": name, "rate": [0.02, 0.1, 0.3, 0.5, 0.1],
                                  "layers": [[32, 16, 32, 16, width, 0.1], [16, 96, 16, 24, width, -0.05]]}
    good = {"latency_model": 1, "space": "mnasnet", "input_size": 32, "n_networks": 20, "n_layered": 3, "target_ms": None, "low_ms": 0.5,
            "high_ms": 2.5, "conditions": {"median_ms": 1.5, "device": "one", "engine": "xnnpack"}, "error": error("model"),
            "baselines": [error("macs"), {**error("layers"), "mean_frac": None}, error("kinds")], "scale": 2.0, "largest_map": 32,
            "largest_width": 1280, "common_rate": [0.02, 0.1, 0.3, 0.5, 0.1],
            "kinds": [kind("add"), kind("conv 1/1"), kind("conv 3/2"), kind("dense"), kind("dwconv 3/2"), kind("gap"), kind("se", 8)]}
    dump = lambda **change: json.dumps({**good, **change}, separators=(",", ":")).encode()
    yield "good", dump()
    yield "few", dump(kinds=good["kinds"][:2])
    yield "target", dump(target_ms=1.5)
    yield "small", dump(largest_map=1, largest_width=1)
    for key in good:
        yield f"without-{key}", json.dumps({k: v for k, v in good.items() if k != key}).encode()
    for i, change in enumerate([{"latency_model": 2}, {"kinds": good["kinds"][::-1]}, {"kinds": [3]}, {"kinds": [{**kind("add"), "rate": [1]}]},
                                {"kinds": [{**kind("add"), "rate": [-1] * 5}]}, {"kinds": [{**kind("add"), "layers": []}]},
                                {"kinds": [{**kind("add"), "layers": [[0, 1, 1, 1, 0, 0.5]]}]}, {"kinds": [kind("x" * 24)]},
                                {"kinds": [{**kind("add"), "layers": [[1, 1, 1, 1, 0, 1e9]]}]}, {"low_ms": 3}, {"scale": 0}, {"error": 3},
                                {"error": {**error("model"), "n_near": 21}}, {"baselines": []}, {"space": "\u00e9" * 40},
                                {"conditions": {"median_ms": 0}}]):
        yield f"bad{i}", dump(**change)
    yield "raw0", b""
    yield "raw1", b"[]"
    yield "raw2", b"{"


def nas_table():
    yield "chars", b"arch,acc,ms\n010,45.1,1\n012,50,2.5\n210,60,3\n010,1,1\n"
    yield "columns", b"k1,k2,op,acc,test,ms\n3,1,conv,0.5,0.4,7\n5,1.0,pool,0.25,0.2,8\n3,2,,0.1,0.1,9\n5,2,nan,?,NA,1\n"
    yield "both", b"\xef\xbb\xbf\"arch\",k,\"op\",acc,test,ms\r\n\"a\"\"b\",1,\"x,\ny\",1e-1,1,0.5\r\n\r\nabc, -2 ,z,0,0,1e9\r\n"
    yield "zipped", gzip.compress(b"arch,acc,ms\n01,1,1\n", mtime=0)
    yield "no_newline", b"arch,acc,ms\n01,0.5,1"
    long = "".join(f"{i},0.5,0.5,1\n" for i in range(300))
    yield "many_choices", b"k,acc,test,ms\n" + long.encode()
    for i, bad in enumerate(["", "arch", "arch,acc,ms\n", "arch,acc,ms\n01,0.5\n", "arch,acc,ms\n01,101,1\n", "arch,acc,ms\n01,0.5,0\n",
                             "arch,acc,ms\n01,0.5,1\n0,0.5,1\n", "arch,acc,acc\n", "arch,acc,ms\n\"01,0.5,1\n",
                             "arch,acc,ms\n\"01\"x,0.5,1\n", "arch,acc,ms\n01,x,1\n", "arch,acc,ms\n,0.5,1\n", "\0"]):
        yield f"bad{i}", bad.encode()


def proxy():
    head = "n,macs,params,a,b,full,again\n"
    rows = "".join(f"{i},{1000 + i * 37 % 11},{100 + i},0.{50 + i * 7 % 13},0.{60 + i * 5 % 13},0.{70 + i},0.{70 + i * 3 % 14}\n" for i in range(12))
    holes = "".join(f"{i},{1 + i},{9 - i % 3},{'nan' if i % 4 == 0 else 10 + i},{'' if i == 3 else 90 - i},{50 + i % 3},{'' if i % 2 else 51}\n" for i in range(14))
    yield "table", b"\0" + (head + rows).encode()
    yield "holes", b"\0" + (head + holes).encode()
    for i, bad in enumerate([head, head + rows[:40], head + rows.replace("0.5", "x", 1), head + rows.replace(",1000,", ",0,", 1),
                             head + rows.replace("0.5", "-1", 1), head.replace("full", "ful") + rows, ""]):
        yield f"table-bad{i}", b"\0" + bad.encode()
    line = lambda **change: json.dumps({"task": KEY, "key": KEY, "images": 5000, "seed": 0, "accuracy_frac": 0.5, "train_s": 1.5, "macs": 9, "params": 3, **change}).encode() + b"\n"
    yield "record", b"\1" + line() + line(seed=1) + line() + line(images=9000, accuracy_frac=None)
    yield "record-cut", b"\1" + line() + line(seed=1)[:-9]
    for i, change in enumerate([{"task": "x"}, {"key": None}, {"images": 0}, {"images": 1.5}, {"seed": 16}, {"seed": -1}, {"accuracy_frac": 2},
                                {"accuracy_frac": "1"}, {"train_s": -1}, {"macs": 0}, {"params": "3"}]):
        yield f"record-bad{i}", b"\1" + line(**change)
    yield "record-two-tasks", b"\1" + line() + line(task="f" * 16, seed=2)
    yield "record-two-results", b"\1" + line() + line(accuracy_frac=0.25)


def latency_record():
    line = lambda **change: json.dumps({"key": KEY, "median_ms": 1.5, "device": "one", "engine": "xnnpack", **change}).encode() + b"\n"
    layers = lambda list, key=KEY: json.dumps({"key": key, "layers": list}).encode() + b"\n"
    yield "one", b"\0" + line()
    yield "two", b"\0" + line() + b"\n" + line(key="f" * 16) + line(median_ms=2)
    yield "cut", b"\0" + line() + line()[:-5]
    yield "layers", b"\1" + layers([["stem.conv", 0.25], ["head", 0.5]]) + layers([["head", 0.5]], "f" * 16)
    yield "layers-cut", b"\1" + layers([["stem.conv", 0.25]])[:-3]
    for i, change in enumerate([{"key": "abc"}, {"key": 3}, {"median_ms": -1}]):
        yield f"bad{i}", b"\0" + line(**change)
    for i, change in enumerate([[], 3, [3], [["x" * 64, 1]], [["a", -1]], [["a", "b"]], [[]]]):
        yield f"layers-bad{i}", b"\1" + layers(change)
    for i, raw in enumerate([b"", b"\0", b"\0{\n", b"\1[]\n", b"\0\0\n"]):
        yield f"raw{i}", raw


def pool():
    dump = lambda o: json.dumps(o, separators=(",", ":")).encode()
    member = {"device": "adb:serial=A", "sentinel_ms": 5.25, "half_frac": 0.01, "calibrated_s": 1.79e9, "load": None, "freq_mhz": 2000,
              "temp_c": 31.5, "governor": "performance", "engine": "xnnpack", "away_s": None, "retry_s": None, "pause_s": None, "why": ""}
    away = {**member, "device": "adb:serial=B", "away_s": 1.79e9, "retry_s": 1.79e9 + 5, "pause_s": 5, "why": "device 'B' not found"}
    state = {"version": 1, "sentinel": KEY, "reference": "adb:serial=A", "reference_ms": 5.25, "reference_half_frac": 0.01}
    whole = lambda *members, **change: dump({**state, **change, "members": list(members)})
    yield "one", whole(member)
    yield "two", whole(member, away)
    yield "none", whole()
    yield "cut", whole(member, away)[:-40]
    yield "twice", whole(member, member)
    yield "newer", whole(version=2)
    yield "no-version", dump({"members": []})
    yield "no-members", dump(state)
    yield "no-reference", whole(member, reference_ms=None)
    yield "no-name", whole(reference="")
    yield "reference-text", whole(reference_ms="x")
    for i, change in enumerate([{"device": ""}, {"device": None}, {"device": "x" * 1100}, {"device": "x" * 1022 + "\u00e9\u00e9"},
                                {"sentinel_ms": -1}, {"sentinel_ms": None}, {"calibrated_s": 1e300}, {"away_s": 3}, {"why": 3}, {"why": "\u00e9" * 300}]):
        yield f"bad{i}", whole({**member, **change})
    for i, raw in enumerate([b"", b"[]", b"{", b"\0", b'{"version":1,"version":1,"members":[]}', b'{"version":1,"members":[3]}']):
        yield f"raw{i}", raw
    yield "many", whole(*[{"device": str(i)} for i in range(257)])


def spec():
    for kind, texts in enumerate([
            ["idx:path=/tmp/x,val=10,val-seed=3", 'idx:path="a,b",classes=10', "cifar10:path=x,size=16", "fashion-mnist", "fashon-mnist", "imagefolder:path=x",
             "idx", "idx:path=", "idx:val=x,path=y"],
            ["local:core=1,threads=2", "table:file=x,default-ms=2", "local:core", "local:what=1", "lokal", "local:", "local:core=1,core=2"],
            ["ppo:preset=paper,clip=0.1", "random", "random:x=1", "ppo:hidden=99999", "ppo:normalize=maybe", "evolution", "evolution:population=20"],
            ["soft", "soft:w=auto", "hard", "soft:w=-0.07", "soft:alpha=1e999"],
            ["proxy:lr=0.1,warmup-epochs=0.5", "short:flip", "short:flip=no,pad=3", "imagenet-mnasnet:dropout=0.2", "proxy:schedule=cosine,optimizer=sgd",
             'proxy:"lr"=3', "proxy:lr=nan", "proxy:lr=0x10", "proxy:,", "proxy:lr=0.1,", "proxy:batch=1e3"],
            ["--lr\n0.5\n--flip\nword\n--epochs=3", "--lr", "--lr=", "--\n--lr\n3", "-o\nx", "--flip=maybe", "--what", "-", "--lr=1e999", "x\n" * 40],
            ["mobilenet-v2@0.35", "mnasnet-b1", "mnasnet-b1@9", "mnasnet-b1@", "mobilnet-v2", "mnasnet-a2", "mnasnet-b1@0.5x"]]):
        for i, t in enumerate(texts):
            yield f"kind{kind}-{i}", bytes([kind]) + t.encode()


def u64(*values):
    return b"".join(struct.pack("<Q", v & (1 << 64) - 1) for v in values)


def strategy():
    """Bodies: n_proposed, n_fed, open tokens, how many were uniform, whether the last one was, the shadow's stream, length, the
    strategy's own bytes."""
    stream = (1, 2, 3, 4)
    for which in range(4):
        yield f"body{which}", bytes([which, 1]) + u64(0, 0, 0, 0, *stream, 32, *stream)
        yield f"open{which}", bytes([which, 1]) + u64(2, 1, 2, 1, 1, 1, *stream, 32, *stream)
        yield f"token{which}", bytes([which, 1]) + u64(2, 1, 9, 1, 1, 1, *stream, 32, *stream)
        yield f"many{which}", bytes([which, 1]) + u64(1 << 40, 0, 1)
        yield f"fed{which}", bytes([which, 1]) + u64(1, 2, 1)
        yield f"uniform{which}", bytes([which, 1]) + u64(0, 0, 1, 0, *stream, 32, *stream)
        yield f"origin{which}", bytes([which, 1]) + u64(0, 0, 0, 2, *stream, 32, *stream)
        yield f"shadow{which}", bytes([which, 1]) + u64(0, 0, 0, 0, 0, 0, 0, 0, 32, *stream)
        yield f"length{which}", bytes([which, 1]) + u64(0, 0, 0, 0, *stream, 33, *stream)
        yield f"zero{which}", bytes([which, 1]) + u64(0, 0, 0, 0, *stream, 32, 0, 0, 0, 0)
        learnt = bytes([which, 2, 9, 200, 100, 0, 50, 254, 1, 2, 3, 4])
        yield f"learnt{which}", learnt
        yield f"long{which}", bytes([which, 2, 31]) + bytes(range(1, 32))
        yield f"waiting{which}", bytes([which, 2, 9, 200, 255])
        yield f"observed{which}", bytes([which, 2, 20]) + bytes([254, 10] * 10)
        yield f"changed{which}", learnt + bytes([0, 0, 1, 9, 1, 7])
    magic = 0x545354534153414E
    yield "whole", bytes([0, 0]) + checked(u64(magic, 2, 2, 3))
    yield "version1", bytes([0, 0]) + checked(u64(magic, 1, 2, 3))
    yield "unchecked", bytes([0, 0]) + u64(magic, 2, 2, 3)
    yield "magic", bytes([0, 0]) + u64(1, 2, 3, 4)
    yield "short", bytes([0, 0]) + b"ab"


def checked(state):
    """With the sum behind it: FNV-1a."""
    hash = 0xCBF29CE484222325
    for byte in state:
        hash = (hash ^ byte) * 0x100000001B3 % (1 << 64)
    return state + u64(hash)


def rows_of(*rows):
    return b"\x1e".join(b"\x1f".join(c if isinstance(c, bytes) else c.encode() for c in row) for row in rows)


ARCH = "r1_k3_s11_e1_i8_o16_noskip"
LATENCY = ["r1.5", "r1.4", "r1.6", "r0.95", "r0.01", "i5", "i20", "i5", "i1", "i1", "i0", "i0", "r0.1", "r2000", "r40", "tperformance",
           "txnnpack", "tlocal", "ta cpu", "t2026-01-01T00:00:00Z", "r3.5"]


def trial_row(number, state="complete", **change):
    cells = {"number": f"i{number}", "attempt": "i1", "state": "t" + state, "reason": "t", "tokens": "t0 1", "arch": "t" + ARCH,
             "key": "t" + KEY, "seed": "i7", "accuracy": "r0.8", "reward": "r0.7", "entropy": "r1", "params": "i1000", "macs": "i50000",
             "train_bytes": "i100000", "n_images": "i1000", "started": "i1", "finished": "i2", "train_s": "r2", "measure_s": "r1",
             "overhead_s": "r0.1", "error": "n"}
    cells.update(change)
    return ["trial", *cells.values(), *LATENCY, "t" + MODEL]


def final_row(number, role="found", **change):
    cells = {"number": f"i{number}", "role": "t" + role, "family": "t" + role, "name": f"ttrial {number}", "trial": "i0", "repeat": "i0",
             "input": "i28", "lr": "r0.1", "seed": "i1", "state": "tcomplete", "reason": "t", "error": "n", "val": "r0.9", "valb": "r0.9",
             "test": "r0.9", "testb": "r0.9", "n_val": "i4", "n_test": "i2", "n_passes": "i1", "params": "i1000", "macs": "i5000",
             "train_s": "r2", "weights": "tw.safetensors", "chosen": "i0"}
    cells.update(change)
    blobs = [b"b\1\1\0\1", b"b\1\0", b"b" + struct.pack("<d", 1.5)]
    return ["final", *cells.values(), *LATENCY, *blobs, "t" + MODEL]


def rows():
    settings = [["setting", "t" + k, "t" + v] for k, v in {
        "space": SPACE, "data": "fashion-mnist", "target_ms": "1.5", "command_line": "mnas search <&>", "w": "-0.07", "device": "local",
        "trials": "4", "strategy": "ppo", "reward": "soft", "recipe": "proxy", "seed": "1"}.items()]
    loop = {"n_proposals": 3, "n_seen": 2, "n_fed": 1, "n_trials": 2, "n_complete": 2, "n_failed": 0, "n_repeats": 0, "repeats_in_row": 0,
            "open": [{"trial": 1, "repeat": False, "tokens": [0, 1]}, {"trial": 0, "repeat": True, "tokens": [0, 1]}]}
    snapshot = lambda **change: ["snapshot", "i1", "i3", "i2", "r1", "r1.1", "r0.5", "t" + json.dumps({**loop, **change}),
                                 b"b" + u64(1, 2), b"b" + struct.pack("<3d", 0.5, 0.25, 0.25)]
    epochs = [["epoch", "i0", "i1", "r0.5"], ["epoch", "i0", "i2", "r0.8"], ["epoch", "i9", "i1", "r0.8"]]
    layers = [["layer", "i0", "i0", "tstem.conv", "r0.25"], ["layer", "i0", "i1", "thead.conv", "r0.5"]]
    yield "whole", rows_of(*settings, trial_row(0), trial_row(1, accuracy="r0.9"), snapshot(), *epochs, *layers, final_row(0, chosen="i1"),
                           final_row(1, "random"), final_row(2, "baseline"), ["event", "i1", "i1", "tstart", "tx"])
    told = [["setting", "t" + k, "t" + v] for k, v in {"data": "told", "device": "told", "objective": "minimize", "reward": "value",
                                                       "decisions_text": "decisions: {a: [1, 2]}"}.items()]
    yield "told", rows_of(*told, trial_row(0, accuracy="n"), trial_row(1, "running", accuracy="n", reward="n"))
    yield "running", rows_of(trial_row(0, "running"), trial_row(1, "failed", reason="tnan", error="tthe loss is <nan>"))
    yield "states", rows_of(trial_row(0, "pruned"), trial_row(1, "what"))
    yield "gap", rows_of(trial_row(0), trial_row(2), snapshot())
    yield "tokens", rows_of(trial_row(0, tokens="t0 x"))
    yield "tokens2", rows_of(trial_row(0, tokens="n"))
    yield "tokens3", rows_of(trial_row(0, tokens="t0 99999999999"))
    yield "types", rows_of(trial_row(0, accuracy="tx", arch="i3", key="r0.5", reason="b\0\1", tokens="i3"))
    yield "numbers", rows_of(trial_row(0, accuracy="r-1e308", reward="r1e308", params="i-9", macs="n", started="i-1"))
    yield "final-state", rows_of(final_row(0, state="twhat"))
    yield "final-role", rows_of(final_row(0, role="x"))
    yield "final-count", rows_of(final_row(0, n_val="i5"))
    yield "final-negative", rows_of(final_row(0, n_val="i-1"))
    yield "loop-json", rows_of(trial_row(0), ["snapshot", "i1", "i3", "i2", "r1", "r1", "r1", "t{", "b", "b"])
    yield "loop-null", rows_of(["snapshot", "i1", "i3", "i2", "n", "n", "n", "n", "n", "n"])
    for i, change in enumerate([{"n_fed": -1}, {"n_seen": 9}, {"open": []}, {"n_trials": 99}, {"open": [{}, {}]},
                                {"open": [{"trial": 7, "tokens": [0, 1]}] * 2}, {"n_complete": "x"}]):
        yield f"loop{i}", rows_of(trial_row(0), trial_row(1), snapshot(**change))
    yield "probabilities", rows_of(["snapshot", "i1", "i3", "i2", "r1", "r1", "r1", "t{}", "b", "babc"])
    yield "empty", b""


def decisions():
    yield "all", b"""decisions:
  learning-rate: [0.0003, 0.001, 0.003]
  optimizer: [sgd, adam]
  width: {choices: [small, medium, large], ordinal: true}
  kernel: {choices: [3, 5, 7], ordinal: false}
"""
    yield "falling", b"decisions: {a: [3, 2, -1e3], b: [one]}\n"
    for i, bad in enumerate(["", "3", "decisions: 3", "decisions: {}", "decisions: [a]", "decisions: {a: []}", "decisions: {a: [1, 1]}",
                             "decisions: {a: [1, 1.0]}", "decisions: {a: [1, 3, 2]}", "decisions: {a: [[1], 2]}", "decisions: {a: x}",
                             "decisions: {a: {ordinal: true}}", "decisions: {a: {choices: [x, y], ordinal: maybe}}", "decision: {a: [1]}",
                             "decisions: {a b: [1]}", "decisions: {a: ['x y']}", "decisions: {a: ['']}", "decisions: {a=b: [1]}",
                             "decisions: {a: {choices: [2, 2.0, 3], ordinal: true}}", "decisions: {a: [1], b: [2]}\nmore: 1",
                             "decisions: {" + "a" * 70 + ": [1]}", "decisions: {a: [" + ", ".join(map(str, range(1001))) + "]}"]):
        yield f"bad{i}", bad.encode()


def ask():
    yield "loop", b"\n".join(b'{"ask": 1}\n{"tell": %d, "value": %d}' % (i, i * 7 % 5) for i in range(13))
    yield "parallel", b'{"ask": 2}\n{"ask": 1}\n{"open": true}\n{"tell": 1, "failed": "x"}\n{"again": 0}\n{"tell": 0, "value": -1.5e3}\n{"best": true}\n{"front": true}\n{"status": true}\n'
    yield "twice", b'{"ask": true}\n{"tell": 0, "value": 3}\n{"tell": 0, "value": 3}\n{"tell": 0, "value": 4}\n{"again": 0}'
    yield "wrong", b'{"tell": 0, "value": 3}\n{"ask": 1}\n{"ask": 0}\n{"ask": 1e9}\n{"ask": 99999999999}\n{"tell": -1}\n{"tell": "0"}\n{"tell": 0}\n{"tell": 0, "accuracy": 0.5}\n{"tell": 0, "value": "x"}\n{"tell": 0, "value": 1e200}\n{"tell": 0, "failed": 3}\n{"tell": 0, "value": 3, "latency_ms": -1}\n{"asc": 1}\n{"ask": 1, "best": 1}\n{"ask": 1, "value": 1}\n{}\n[]\n3\nx\n{"ask": 1, "ask": 1}\n{"best": true}\n{"front": true}'
    yield "unasked", b'{"tell": {"arch": "a=1,b=x c=0.1"}, "value": 3}\n{"ask": 1}\n{"tell": {"decisions": {"a": 2, "b": "y", "c": 1}}, "value": 2}\n{"tell": {"tokens": [2, 2, 1]}, "failed": "x"}\n{"ask": 1}\n{"tell": 1, "value": 4}\n{"tell": {"tokens": [2, 2, 1]}, "value": 1}\n{"ask": 1}\n{"best": true}\n{"status": true}\n'
    yield "unasked-wrong", b'{"tell": {"arch": "a=1,b=x"}, "value": 3}\n{"tell": {"arch": "=,="}, "value": 3}\n{"tell": {"arch": ""}, "value": 3}\n{"tell": {"arch": "a = 9 b=x c=1"}, "value": 3}\n{"tell": {"decisions": {"a": true}}, "value": 3}\n{"tell": {"tokens": [9, 9, 9]}, "value": 3}\n{"tell": {"tokens": []}, "value": 3}\n{"tell": {}, "value": 3}'
    yield "bytes", b'\xff\xfe\n{"\xc3\xa9": 1}\n{"ask\\u0000": 1}\n\0\n{"failed": "\xff"}'
    yield "empty", b""


def study(build):
    folder = pathlib.Path(build) / "tests/fuzz"
    for name, data in rows():
        if name not in ("whole", "running", "empty", "gap", "types"):
            continue
        source, kept = folder / "seed.rows", folder / "seed.db"
        source.write_bytes(data)
        subprocess.run([folder / "fuzz_rows", source], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "FUZZ_KEEP": str(kept)})
        made = kept.read_bytes()
        yield name, made
        if name == "whole":
            yield "log", made[:18] + b"\2\2" + made[20:]
            for i, at in enumerate(range(600, len(made) - 100, 1800)):
                yield f"corrupt{i}", made[:at] + b"\xff" * 60 + made[at + 60:]
        if name == "empty":
            yield "version", made[:60] + b"\0\0\0\x63" + made[64:]
            yield "application", made[:68] + b"abcd" + made[72:]
            yield "cut", made[:1500]
    yield "nothing", b""
    yield "text", b"this is no study"


def main():
    out = pathlib.Path(sys.argv[1])
    makers = {f.__name__: f for f in [block, model, space, weights, decisions, ask, checkpoint, metrics, idx, idx_folder, cifar, jpeg, png, folder, tar, label_list, command, bundle, index, wire, sentinel, trial_wire, table, pool, latency_model, latency_record, nas_table, proxy, spec, strategy, rows]}
    if len(sys.argv) > 2:
        makers["study"] = lambda: study(sys.argv[2])
    for target, make in makers.items():
        place = out / target
        place.mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (place / name).write_bytes(data)


if __name__ == "__main__":
    main()
