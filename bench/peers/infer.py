"""One image, one thread, in somebody else's library: the other side of bench_infer, whose line of JSON it prints.

    python infer.py onnxruntime|openvino FILE.onnx SECONDS
    python infer.py tflite FILE.tflite SECONDS

Each library gets what its documentation recommends for latency: all graph optimisations, input and output bound once, XNNPACK for
TensorFlow Lite. The image is random and is not copied inside the clock.
"""
import json
import sys
import time

import numpy as np

WARMUP_SHARE, MIN_RUNS = 0.1, 5


def onnxruntime(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image, bound = session.get_inputs()[0], session.io_binding()
    bound.bind_cpu_input(image.name, np.random.rand(*image.shape).astype(np.float32))
    bound.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(bound)


def openvino(path):
    import openvino as ov
    model = ov.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
    request = model.create_infer_request()
    request.set_input_tensor(ov.Tensor(np.random.rand(*model.input(0).shape).astype(np.float32)))
    return request.infer


def tflite(path):
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(path, num_threads=1)
    net.allocate_tensors()
    image = net.get_input_details()[0]
    net.set_tensor(image["index"], np.random.rand(*image["shape"]).astype(np.float32))
    return net.invoke


def main(library, path, seconds):
    run = {"onnxruntime": onnxruntime, "openvino": openvino, "tflite": tflite}[library](path)
    run()
    began, times = time.perf_counter(), []
    while time.perf_counter() - began < seconds * WARMUP_SHARE:
        run()
    while len(times) < MIN_RUNS or time.perf_counter() - began < seconds:
        before = time.perf_counter()
        run()
        times.append((time.perf_counter() - before) * 1e3)
    quartiles = np.quantile(times, [0, 0.25, 0.5, 0.75])
    print(json.dumps({"median_ms": round(quartiles[2], 4), "q1_ms": round(quartiles[1], 4), "q3_ms": round(quartiles[3], 4),
                      "least_ms": round(quartiles[0], 4), "runs": len(times)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
