"""Exported files by the readers they are for: what `test_exporters write DIR` wrote is run by whichever of ONNX's checker, ONNX Runtime,
OpenVINO and LiteRT is installed, and their logits are compared with the reference loops'.

    python export_peers.py DIR
"""
import pathlib
import sys

import numpy as np

TOLERANCE = 1e-4  # times max(1, the largest logit)


def check_onnx(path):
    import onnx
    onnx.checker.check_model(str(path), full_check=True)


def onnxruntime_logits(path, image):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def openvino_logits(path, image):
    import openvino
    model = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model([image])[0]


def litert_logits(path, image):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def nchw(image):
    return np.ascontiguousarray(image.transpose(0, 3, 1, 2))


# name, module, format, what runs it
READERS = [
    ("ONNX Runtime", "onnxruntime", "onnx", onnxruntime_logits),
    ("OpenVINO", "openvino", "onnx", openvino_logits),
    ("LiteRT", "ai_edge_litert", "tflite", litert_logits),
]


def installed(module):
    try:
        __import__(module)
        return True
    except ImportError:
        return False


def distance(a, b):
    return float(np.abs(a - b).max() / max(1, np.abs(a).max())) if a.shape == b.shape else float("inf")


def cases(folder):
    numbers = sorted(int(p.stem) for p in folder.glob("*.image"))
    for i in numbers:
        side_of = np.fromfile(folder / f"{i}.shape", np.int32)
        image = np.fromfile(folder / f"{i}.image", np.float32).reshape(1, *side_of)
        yield i, image, np.fromfile(folder / f"{i}.logits", np.float32).reshape(1, -1)


def main(folder):
    folder, failed, n = pathlib.Path(folder), 0, 0
    readers = [r for r in READERS if installed(r[1])]
    worst = {name: 0.0 for name, *_ in readers}
    has_checker = installed("onnx")
    if not readers and not has_checker:
        print("skipped: none of onnx, onnxruntime, openvino, ai-edge-litert is installed")
        return 77
    for i, image, expected in cases(folder):
        n += 1
        if has_checker:
            check_onnx(folder / f"{i}.onnx")
            check_onnx(folder / f"{i}.any.onnx")
        for name, _, kind, run in readers:
            given = nchw(image) if kind == "onnx" else image
            d = distance(expected, run(folder / f"{i}.{kind}", given))
            if name == "ONNX Runtime":  # two different images at once: the batch is symbolic
                two = run(folder / f"{i}.any.onnx", np.concatenate([given, 0 * given]))
                d = max(d, distance(expected, two[:1]))
            worst[name] = max(worst[name], d)
            if not d <= TOLERANCE:
                print(f"network {i}: {name} is off by {d:.2g}; allowed: {TOLERANCE:g}")
                failed += 1
    if has_checker:
        print(f"ONNX checker: {2 * n} files are right")
    for name, d in worst.items():
        print(f"{name}: {n} networks, at most {d:.2g} off the reference loops")
    return 1 if failed or n == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
